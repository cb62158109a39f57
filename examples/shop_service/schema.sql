-- What the service keeps in PostgreSQL.

CREATE TABLE customers (
    customer_id   bigint PRIMARY KEY,
    name          text NOT NULL,
    email         text NOT NULL,
    orders_placed integer NOT NULL DEFAULT 0,         -- cancelled ones count, too
    joined_at     timestamptz NOT NULL
);

CREATE TABLE addresses (
    customer_id bigint NOT NULL REFERENCES customers,
    address_no  smallint NOT NULL,
    street      text NOT NULL,
    city        text NOT NULL,
    postcode    text,
    PRIMARY KEY (customer_id, address_no)
);

CREATE TABLE products (
    product_id integer PRIMARY KEY,
    name       text NOT NULL,
    price      numeric(10, 2) NOT NULL,
    stock      integer NOT NULL CHECK (stock >= 0)
);

CREATE TABLE orders (
    order_id    bigint PRIMARY KEY,                   -- the service makes it, from the time: it needs no sequence
    customer_id bigint NOT NULL REFERENCES customers,
    status      text NOT NULL CHECK (status IN ('placed', 'paid', 'shipped')),
    placed_at   timestamptz NOT NULL,
    paid_at     timestamptz,
    shipped_at  timestamptz
);

CREATE INDEX orders_customer ON orders (customer_id, order_id);
CREATE INDEX orders_status ON orders (status, placed_at);

CREATE TABLE order_lines (
    order_id   bigint NOT NULL REFERENCES orders ON DELETE CASCADE,
    line_no    smallint NOT NULL,
    product_id integer NOT NULL REFERENCES products,
    quantity   integer NOT NULL CHECK (quantity > 0),
    price      numeric(10, 2) NOT NULL,               -- of one piece, when it was ordered
    PRIMARY KEY (order_id, line_no)
);
