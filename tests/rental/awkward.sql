-- Rows beside those of schema.sql that tell a wrong answer from a right one: ties, NULLs, bounds, keys that begin alike.

INSERT INTO film
    SELECT 3000 + n, title, '', NULL, 1, 2, rate, 90, NULL,
           CASE n WHEN 1 THEN NULL WHEN 2 THEN '{}'::text[] ELSE '{"a,b",NULL}' END, NULL
    FROM unnest('{Film 1#2,Film 1%,film 1,Film 1~,Film,FILM 12,"","Film 1é"}'::text[],
                '{0.1,0.99,1,0.5,0,1.01,9.99,2}'::numeric[]) WITH ORDINALITY AS x (title, rate, n);
INSERT INTO film_category SELECT film_id, 1 + film_id % 3 FROM film WHERE film_id BETWEEN 3001 AND 3006;
INSERT INTO actor VALUES
    (1001, 'Zoë', 'Last 3'), (1002, 'anna', 'Last 3'), (1003, 'Anna', 'Last 3#'), (1004, '#', 'Last 3'),
    (1005, '', 'Last 3'), (1006, 'Alone', 'Nobody');
INSERT INTO film_actor SELECT 1002, film_id FROM film WHERE film_id % 100 = 7 OR film_id > 3005;
INSERT INTO category VALUES (99, 'Empty');
INSERT INTO language VALUES (7, 'Esperanto');
INSERT INTO staff VALUES (3, 'Gone', 'Long', 1, 'user3', false);
INSERT INTO customer VALUES
    (1001, 1, 'No', 'Mail', NULL, 1, true, '2026-01-01'),
    (1002, 2, 'Capital', 'Mail', 'C1@Example.com', 1, true, '2026-01-01'),
    (1003, 1, 'Empty', 'Mail', '', 300, false, '2026-01-02');
INSERT INTO rental
    SELECT 20000 + n, '2026-01-20', 17 + n, 3, CASE WHEN n % 2 = 0 THEN timestamptz '2026-01-21' END, 1
    FROM generate_series(1, 8) n;
INSERT INTO rental VALUES
    (20101, '2026-01-05 23:59:59.999999+00', 17, 3, NULL, 1), (20102, '2026-01-06 00:00:00+00', 17, 3, NULL, 1),
    (20103, '2026-01-05 00:00:00+00', 17, 3, NULL, 1), (20104, '2026-01-04 23:59:59.999999+00', 17, 3, NULL, 1);
INSERT INTO payment
    SELECT 30000 + n, 17, 1, 16, n, at
    FROM unnest('{2026-01-01,2026-01-31 23:59:59.999999,2026-02-01,2026-02-28}'::timestamptz[])
         WITH ORDINALITY AS x (at, n);
