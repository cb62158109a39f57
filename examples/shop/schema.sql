-- The example shop: what an ordinary e-commerce application keeps in PostgreSQL.

CREATE TYPE payment_method AS ENUM ('card', 'transfer', 'voucher', 'cash on delivery');

CREATE TABLE categories (
    category_id integer PRIMARY KEY,
    parent_id   integer REFERENCES categories,        -- NULL: a top-level category
    slug        varchar(80) NOT NULL UNIQUE,
    name        text NOT NULL,
    position    smallint                              -- NULL: shown last
);

CREATE TABLE products (
    product_id    integer PRIMARY KEY,
    category_id   integer NOT NULL REFERENCES categories,
    sku           varchar(40) NOT NULL UNIQUE,
    name          text NOT NULL,
    brand         text,
    description   text,
    price         numeric(12, 2) NOT NULL,
    cost          numeric NOT NULL,                   -- up to 38 digits, from the suppliers' feed
    weight_kg     real,
    rating        double precision,
    stock         bigint NOT NULL,
    in_stock      boolean NOT NULL,
    launched_on   date,
    sold_until    date NOT NULL DEFAULT 'infinity',
    legacy_code   varchar(20),                        -- digits, as an older system wrote them
    search_words  text[],
    pack_sizes    integer[] NOT NULL DEFAULT '{}',
    dimensions_mm numeric(8, 2)[],                    -- an element may be NULL: not measured
    attributes    jsonb NOT NULL DEFAULT '{}',
    thumbnail     bytea,
    changed_at    timestamp NOT NULL
);

CREATE TABLE customers (
    customer_id   bigint PRIMARY KEY,
    public_id     uuid NOT NULL UNIQUE,
    name          text NOT NULL,
    email         varchar(254) NOT NULL,
    phone         varchar(40),
    password_hash text NOT NULL,
    birth_date    date,
    country       char(2) NOT NULL,
    newsletter    boolean,
    interests     text[] NOT NULL DEFAULT '{}',
    preferences   jsonb,
    balance       numeric(20, 6) NOT NULL,
    avatar        bytea,
    last_seen     timestamp,
    created       timestamptz NOT NULL
);

CREATE TABLE addresses (
    address_id  bigint PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers,
    label       text,
    street      text NOT NULL,
    city        text NOT NULL,
    postcode    varchar(12),
    country     char(2) NOT NULL,
    is_default  boolean NOT NULL,
    latitude    numeric(9, 6),
    longitude   numeric(9, 6)
);

CREATE INDEX addresses_customer ON addresses (customer_id);

CREATE TABLE orders (
    order_id      bigint PRIMARY KEY,
    customer_id   bigint NOT NULL REFERENCES customers,
    address_id    bigint REFERENCES addresses,        -- NULL: collected in the shop
    status        text NOT NULL,                      -- draft, placed, paid, shipped, delivered, cancelled
    contact_email varchar(254),
    currency      char(3) NOT NULL,
    shipping_cost numeric(12, 2) NOT NULL,
    discount      numeric(5, 4) NOT NULL,
    gift          boolean NOT NULL,
    note          text,
    tags          text[],
    payload       jsonb,                              -- what the browser sent
    signature     bytea,
    deliver_on    date,
    placed_at     timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL
);

CREATE INDEX orders_customer ON orders (customer_id);

CREATE TABLE order_items (
    order_id     bigint NOT NULL REFERENCES orders,
    line_no      smallint NOT NULL,
    product_id   integer NOT NULL REFERENCES products,
    quantity     integer NOT NULL,
    price        numeric(12, 2) NOT NULL,
    engraving    text,
    options      text[],                              -- an element may be NULL: the default was kept
    cancelled_at timestamptz,
    PRIMARY KEY (order_id, line_no),
    UNIQUE (order_id, product_id)
);

CREATE TABLE payments (
    payment_id uuid PRIMARY KEY,
    order_id   bigint NOT NULL REFERENCES orders,
    method     payment_method NOT NULL,
    amount     numeric(14, 4) NOT NULL,               -- below zero: a refund
    succeeded  boolean NOT NULL,
    paid_at    timestamptz,                           -- NULL: still open
    details    json                                   -- the provider's answer, letter for letter
);

CREATE INDEX payments_order ON payments (order_id);

CREATE TABLE reviews (
    product_id  integer NOT NULL REFERENCES products,
    handle      text NOT NULL,                        -- the name that the reviewer chose
    edition     integer NOT NULL,                     -- 0, and one more each time the review is rewritten
    customer_id bigint REFERENCES customers,          -- NULL: the account was closed
    stars       smallint NOT NULL,
    title       text,
    body        text,
    published   boolean NOT NULL,
    metadata    text,                                 -- JSON in a text column
    posted_at   timestamptz NOT NULL,
    PRIMARY KEY (product_id, handle, edition)
);

CREATE INDEX reviews_customer ON reviews (customer_id);
