-- What the shops' software asks of the schema beside this file. Before each statement stands what a person who knows
-- DynamoDB would call it: its class, then the table whose item answers it.

-- point_read film
SELECT film_id, title, rental_rate FROM film WHERE film_id = 17;
-- point_read film
SELECT f.*, l.name FROM film f JOIN language l ON l.language_id = f.language_id WHERE f.film_id = 17;
-- point_read film
SELECT f.title, a.first_name, a.last_name
FROM film f JOIN film_actor fa USING (film_id) JOIN actor a USING (actor_id) WHERE f.film_id = 17;
-- point_read film
SELECT * FROM film WHERE film_id IN (1, 2, 3);
-- point_read film
SELECT f.film_id, f.title, array_agg(c.name) FROM film f
LEFT JOIN film_category fc ON fc.film_id = f.film_id LEFT JOIN category c ON c.category_id = fc.category_id
WHERE f.film_id = 4 GROUP BY f.film_id, f.title;
-- point_read customer
SELECT name, address, city FROM customer_list WHERE id = 41;
-- point_read rental
SELECT EXISTS (SELECT 1 FROM rental WHERE rental_id = 7 AND return_date IS NULL);
-- point_read film_actor
SELECT 1 FROM film_actor WHERE actor_id = 3 AND film_id = 5;
-- point_read rental
SELECT r.*, i.film_id, f.title FROM rental r
JOIN inventory i ON i.inventory_id = r.inventory_id JOIN film f ON f.film_id = i.film_id WHERE r.rental_id = 9 FOR UPDATE OF r;

-- partition_read rental
SELECT * FROM rental WHERE customer_id = 17 ORDER BY rental_date DESC LIMIT 20;
-- partition_read film_actor
SELECT f.title FROM film_actor fa JOIN film f ON f.film_id = fa.film_id WHERE fa.actor_id = 3;
-- partition_read film_actor
SELECT a.* FROM actor a WHERE a.actor_id IN (SELECT fa.actor_id FROM film_actor fa WHERE fa.film_id = 12);
-- partition_read inventory
SELECT inventory_id FROM inventory i WHERE i.film_id = 1 AND i.store_id = 2
AND NOT EXISTS (SELECT 1 FROM rental r WHERE r.inventory_id = i.inventory_id AND r.return_date IS NULL);
-- partition_read payment
SELECT max(payment_date) FROM payment WHERE customer_id = 9;
-- partition_read language
SELECT language_id, name FROM language ORDER BY name;
-- partition_read rental
WITH last AS (SELECT rental_id, inventory_id FROM rental WHERE customer_id = 5 ORDER BY rental_date DESC LIMIT 3)
SELECT last.rental_id, f.title FROM last JOIN inventory USING (inventory_id) JOIN film f USING (film_id);
-- partition_read payment
SELECT * FROM payment_2026_01 WHERE rental_id = 16;
-- partition_read film_category
SELECT film_id FROM film_category WHERE category_id = ANY('{1,2}'::int[]);

-- range_read payment
SELECT * FROM payment WHERE customer_id = 17 AND payment_date >= '2026-01-01' AND payment_date < '2026-02-01';
-- range_read rental
SELECT * FROM rental WHERE customer_id = 3 AND (rental_date, rental_id) < ('2026-01-20', 99)
ORDER BY rental_date DESC, rental_id DESC LIMIT 10;
-- range_read film_actor
SELECT film_id FROM film_actor WHERE actor_id = 7 AND film_id > 100 ORDER BY film_id;
-- range_read rental
SELECT * FROM rental WHERE customer_id = 3 AND rental_date::date = '2026-01-05';

-- needs_gsi customer
SELECT * FROM customer WHERE email = 'c1@example.com';
-- needs_gsi customer
SELECT * FROM customer WHERE lower(email) = 'c1@example.com';
-- needs_gsi category
SELECT f.title FROM film f JOIN film_category fc USING (film_id) JOIN category c USING (category_id)
WHERE c.name = 'Category 3' AND f.rental_rate < 1 ORDER BY f.title LIMIT 20;
-- needs_gsi staff
SELECT staff_id, store_id FROM staff WHERE username = 'user1' AND active;
-- needs_gsi actor
SELECT * FROM actor WHERE last_name = 'Last 3' ORDER BY first_name;
-- needs_gsi film
SELECT film_id, title FROM film WHERE title LIKE 'Film 1%' ORDER BY title LIMIT 10;
-- needs_gsi rental
SELECT rental_id, customer_id FROM rental WHERE return_date IS NULL;
-- needs_gsi rental
SELECT * FROM rental ORDER BY rental_date DESC LIMIT 50;
-- needs_gsi customer
SELECT * FROM customer WHERE email = 'c1@example.com' OR customer_id = 4;
-- needs_gsi visit
SELECT * FROM visit WHERE seen_at BETWEEN '2026-01-01' AND '2026-01-02';

-- needs_denormalisation rental
SELECT r.rental_id FROM rental r JOIN customer c ON c.customer_id = r.customer_id
WHERE c.last_name = 'Last 5' AND r.return_date IS NULL;
-- needs_denormalisation *
SELECT f.title FROM film f JOIN film_actor fa USING (film_id) JOIN actor a USING (actor_id)
WHERE a.last_name = 'Last 3' AND f.rating = 'PG' ORDER BY f.title LIMIT 20;
-- needs_denormalisation rental
SELECT o.staff_id, o.username FROM rental r JOIN staff s ON s.staff_id = r.staff_id
JOIN store t ON t.store_id = s.store_id JOIN staff o ON o.store_id = t.store_id WHERE r.rental_id = 4;
-- needs_denormalisation actor
SELECT a.actor_id FROM actor a JOIN customer c ON c.last_name = a.last_name WHERE a.actor_id = 3;

-- not_for_dynamodb payment precompute
SELECT sum(amount) FROM payment WHERE customer_id = 3;
-- not_for_dynamodb * stream_out
SELECT date_trunc('month', payment_date), sum(amount) FROM payment GROUP BY 1 ORDER BY 1;
-- not_for_dynamodb * stream_out
SELECT * FROM sales_by_store;
-- not_for_dynamodb film stream_out
SELECT title FROM film WHERE fulltext @@ to_tsquery('fate & india');
-- not_for_dynamodb film stream_out
SELECT title FROM film WHERE title ILIKE '%academy%';
-- not_for_dynamodb film keep_in_rds
SELECT title FROM film WHERE length / 60 > 2;
-- not_for_dynamodb film keep_in_rds
SELECT title FROM film WHERE (rating = $1 OR $1 IS NULL) AND (release_year = $2 OR $2 IS NULL);
-- not_for_dynamodb visit stream_out
SELECT * FROM visit;
-- not_for_dynamodb rental precompute
SELECT rental_id, row_number() OVER (PARTITION BY customer_id ORDER BY rental_date) FROM rental WHERE customer_id = 7;
-- not_for_dynamodb * keep_in_rds
SELECT customer_id FROM customer EXCEPT SELECT customer_id FROM rental;
-- not_for_dynamodb * stream_out
SELECT DISTINCT f.rating FROM film f;
-- not_for_dynamodb customer stream_out
COPY customer TO STDOUT;

-- write rental
INSERT INTO rental (rental_id, rental_date, inventory_id, customer_id, staff_id) VALUES (99999, now(), 1, 2, 1) RETURNING *;
-- write rental
UPDATE rental SET return_date = now() WHERE rental_id = 5 AND return_date IS NULL;
-- write film
UPDATE film SET rental_rate = rental_rate * 1.1 WHERE film_id = 3;
-- write customer
INSERT INTO customer (customer_id, store_id, first_name, last_name, email, address_id, active, create_date)
VALUES (9001, 1, 'A', 'B', 'c@d.e', 1, true, now()) ON CONFLICT (email) DO UPDATE SET active = true;
-- write customer
UPDATE customer SET active = false FROM store s WHERE s.store_id = customer.store_id AND s.manager_staff_id = 2;
-- write film_actor
DELETE FROM film_actor WHERE film_id = 3;
-- write payment
INSERT INTO payment SELECT rental_id, customer_id, staff_id, rental_id, 1, rental_date FROM rental WHERE rental_id = 3;
-- write visit
DELETE FROM visit WHERE seen_at < now() - interval '90 days';

-- outside
BEGIN;
-- outside
SET LOCAL statement_timeout = '3s';
-- outside
SELECT pg_advisory_lock(42);
-- outside
SELECT relname FROM pg_catalog.pg_class;
-- unreadable
SELECT title FROM film WHERE film_id IN (1, 2,;
-- unreadable
DO $$ BEGIN PERFORM 1; END $$;
