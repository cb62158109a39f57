-- A chain of film rental shops: what the well-known sample databases of this kind hold, with their awkward sides: tables
-- that refer to each other in a circle, a partitioned table, many-to-many, views, a table without a primary key.

CREATE TABLE country (country_id int PRIMARY KEY, country text NOT NULL);
CREATE TABLE city (
    city_id    int PRIMARY KEY,
    city       text NOT NULL,
    country_id int NOT NULL REFERENCES country
);
CREATE TABLE address (
    address_id  int PRIMARY KEY,
    address     text NOT NULL,
    district    text NOT NULL,
    city_id     int NOT NULL REFERENCES city,
    postal_code text,
    phone       text NOT NULL
);
CREATE TABLE language (language_id int PRIMARY KEY, name char(20) NOT NULL);
CREATE TABLE film (
    film_id              int PRIMARY KEY,
    title                text NOT NULL,
    description          text,
    release_year         int,
    language_id          int NOT NULL REFERENCES language,
    original_language_id int REFERENCES language,
    rental_rate          numeric(4, 2) NOT NULL,
    length               smallint,
    rating               text,
    special_features     text[],
    fulltext             tsvector
);
CREATE INDEX film_title ON film (title);
CREATE TABLE category (category_id int PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE film_category (
    film_id     int REFERENCES film,
    category_id int REFERENCES category,
    PRIMARY KEY (film_id, category_id)
);
CREATE TABLE actor (actor_id int PRIMARY KEY, first_name text NOT NULL, last_name text NOT NULL);
CREATE INDEX actor_last_name ON actor (last_name);
CREATE TABLE film_actor (
    actor_id int REFERENCES actor,
    film_id  int REFERENCES film,
    PRIMARY KEY (actor_id, film_id)
);
CREATE TABLE store (
    store_id         int PRIMARY KEY,
    manager_staff_id int NOT NULL UNIQUE,
    address_id       int NOT NULL REFERENCES address
);
CREATE TABLE staff (
    staff_id   int PRIMARY KEY,
    first_name text NOT NULL,
    last_name  text NOT NULL,
    store_id   int NOT NULL REFERENCES store,
    username   text NOT NULL UNIQUE,
    active     boolean NOT NULL
);
CREATE TABLE customer (
    customer_id int PRIMARY KEY,
    store_id    int NOT NULL REFERENCES store,
    first_name  text NOT NULL,
    last_name   text NOT NULL,
    email       text UNIQUE,
    address_id  int NOT NULL REFERENCES address,
    active      boolean NOT NULL,
    create_date date NOT NULL
);
CREATE TABLE inventory (
    inventory_id int PRIMARY KEY,
    film_id      int NOT NULL REFERENCES film,
    store_id     int NOT NULL REFERENCES store
);
CREATE TABLE rental (
    rental_id    int PRIMARY KEY,
    rental_date  timestamptz NOT NULL,
    inventory_id int NOT NULL REFERENCES inventory,
    customer_id  int NOT NULL REFERENCES customer,
    return_date  timestamptz,
    staff_id     int NOT NULL REFERENCES staff,
    UNIQUE (rental_date, inventory_id, customer_id)
);
CREATE INDEX rental_inventory ON rental (inventory_id);
CREATE TABLE payment (
    payment_id   int NOT NULL,
    customer_id  int NOT NULL REFERENCES customer,
    staff_id     int NOT NULL REFERENCES staff,
    rental_id    int NOT NULL REFERENCES rental,
    amount       numeric(5, 2) NOT NULL,
    payment_date timestamptz NOT NULL,
    PRIMARY KEY (payment_date, payment_id)
) PARTITION BY RANGE (payment_date);
CREATE TABLE payment_2026_01 PARTITION OF payment FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE payment_2026_02 PARTITION OF payment FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE INDEX payment_customer ON payment (customer_id);
CREATE TABLE visit (store_id int NOT NULL, seen_at timestamptz NOT NULL, page text);

CREATE VIEW customer_list AS
    SELECT c.customer_id AS id, c.first_name || ' ' || c.last_name AS name, a.address, t.city, c.store_id
    FROM customer c JOIN address a USING (address_id) JOIN city t USING (city_id);
CREATE VIEW sales_by_store AS
    SELECT s.store_id, sum(p.amount) AS total
    FROM payment p JOIN staff s USING (staff_id)
    GROUP BY s.store_id;

INSERT INTO country SELECT n, 'Country ' || n FROM generate_series(1, 10) n;
INSERT INTO city SELECT n, 'City ' || n, 1 + n % 10 FROM generate_series(1, 50) n;
INSERT INTO address SELECT n, n || ' Street', 'District ' || n % 9, 1 + n % 50, '1000' || n, '555' || n FROM generate_series(1, 300) n;
INSERT INTO language SELECT n, 'Language ' || n FROM generate_series(1, 6) n;
INSERT INTO film
    SELECT n, 'Film ' || n, repeat('A film about something. ', 40), 2000 + n % 20, 1 + n % 6, NULL, 2.99, 60 + n % 120, 'PG',
           '{Trailers}', NULL
    FROM generate_series(1, 2000) n;
INSERT INTO category SELECT n, 'Category ' || n FROM generate_series(1, 16) n;
INSERT INTO film_category SELECT n, 1 + n % 16 FROM generate_series(1, 2000) n;
INSERT INTO actor SELECT n, 'First ' || n, 'Last ' || n % 120 FROM generate_series(1, 200) n;
INSERT INTO film_actor SELECT 1 + (f + a * 31) % 200, f FROM generate_series(1, 2000) f, generate_series(1, 5) a;
INSERT INTO store VALUES (1, 1, 1), (2, 2, 2);
INSERT INTO staff SELECT n, 'First ' || n, 'Last ' || n, 1 + n % 2, 'user' || n, true FROM generate_series(1, 2) n;
ALTER TABLE store ADD FOREIGN KEY (manager_staff_id) REFERENCES staff;
INSERT INTO customer
    SELECT n, 1 + n % 2, 'First ' || n, 'Last ' || n, 'c' || n || '@example.com', 1 + n % 300, n % 9 <> 0, '2025-12-01'
    FROM generate_series(1, 600) n;
INSERT INTO inventory SELECT n, 1 + n % 2000, 1 + n % 2 FROM generate_series(1, 9000) n;
INSERT INTO rental
    SELECT n, timestamptz '2026-01-01 00:00+00' + n * interval '4 minutes', 1 + n % 9000, 1 + n % 600,
           CASE WHEN n % 50 <> 0 THEN timestamptz '2026-02-25 00:00+00' END, 1 + n % 2
    FROM generate_series(1, 16000) n;
INSERT INTO payment
    SELECT rental_id, customer_id, staff_id, rental_id, 2.99, rental_date FROM rental WHERE rental_date < '2026-03-01';
INSERT INTO visit SELECT 1 + n % 2, timestamptz '2026-01-01 00:00+00' + n * interval '1 minute', repeat('x', 100)
    FROM generate_series(1, 20000) n;
