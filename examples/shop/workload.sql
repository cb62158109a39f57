-- What the shop asks of its database, for `crossover assess URL --queries examples/shop/workload.sql --out FOLDER`.
-- Before each statement stands the class that it gets, the table whose item answers it, and, where it is not for
-- DynamoDB, what to do instead.

-- the product page: one item with what the mapping embeds
-- point_read products
SELECT product_id, sku, name, brand, price, in_stock FROM products WHERE product_id = 17;
-- point_read products
SELECT p.*, c.slug, c.name AS category FROM products p JOIN categories c ON c.category_id = p.category_id
WHERE p.product_id = 17;
-- point_read products
SELECT product_id, name, price FROM products WHERE product_id IN (4, 8, 15);
-- needs_gsi products
SELECT * FROM products WHERE sku = 'SKU-00017';
-- range_read products
SELECT product_id, name, price FROM products WHERE category_id = 3 AND price BETWEEN 10 AND 50 ORDER BY price;
-- partition_read reviews
SELECT handle, edition, stars, title FROM reviews WHERE product_id = 17 AND published;
-- point_read reviews
SELECT * FROM reviews WHERE product_id = 17 AND handle = 'anna' AND edition = 0;
-- not_for_dynamodb reviews precompute
SELECT avg(stars), count(*) FROM reviews WHERE product_id = 17 AND published;
-- not_for_dynamodb products stream_out
SELECT product_id, name FROM products WHERE name ILIKE '%lamp%' ORDER BY name LIMIT 20;
-- not_for_dynamodb products keep_in_rds
SELECT product_id FROM products WHERE attributes @> '{"colour": "red"}' AND price < 100;
-- partition_read categories
SELECT * FROM categories ORDER BY position NULLS LAST, name;
-- not_for_dynamodb categories precompute
WITH RECURSIVE above AS (
    SELECT category_id, parent_id, slug FROM categories WHERE category_id = 12
    UNION ALL
    SELECT c.category_id, c.parent_id, c.slug FROM categories c JOIN above a ON c.category_id = a.parent_id
)
SELECT slug FROM above;

-- the customer's account
-- point_read customers
SELECT customer_id, name, email, balance FROM customers WHERE customer_id = 41;
-- needs_gsi customers
SELECT customer_id, password_hash FROM customers WHERE lower(email) = 'anna@example.com';
-- needs_gsi customers
SELECT * FROM customers WHERE public_id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11';
-- point_read customers
SELECT c.name, c.email, a.* FROM customers c LEFT JOIN addresses a ON a.customer_id = c.customer_id
WHERE c.customer_id = 41 ORDER BY a.is_default DESC;
-- partition_read addresses
SELECT * FROM addresses WHERE customer_id = 41;
-- partition_read orders
SELECT order_id, status, placed_at FROM orders WHERE customer_id = 41 ORDER BY placed_at DESC LIMIT 10;
-- range_read orders
SELECT order_id FROM orders WHERE customer_id = 41 AND placed_at >= '2026-01-01' AND placed_at < '2027-01-01';
-- range_read orders
SELECT order_id FROM orders WHERE customer_id = 41 AND (placed_at, order_id) < ('2026-06-01', 900)
ORDER BY placed_at DESC, order_id DESC LIMIT 10;
-- not_for_dynamodb orders precompute
SELECT count(*) FROM orders WHERE customer_id = 41 AND status <> 'draft';
-- needs_denormalisation orders
SELECT b.* FROM orders o JOIN customers c ON c.customer_id = o.customer_id
JOIN addresses b ON b.customer_id = c.customer_id WHERE o.order_id = 4711;

-- one order, and the warehouse's lists
-- point_read orders
SELECT o.*, i.line_no, i.quantity, i.price, p.name FROM orders o
JOIN order_items i USING (order_id) JOIN products p ON p.product_id = i.product_id
WHERE o.order_id = 4711 ORDER BY i.line_no;
-- point_read orders
SELECT o.order_id, c.name, c.email, json_agg(p.*) FROM orders o
JOIN customers c ON c.customer_id = o.customer_id LEFT JOIN payments p ON p.order_id = o.order_id
WHERE o.order_id = 4711 GROUP BY o.order_id, c.name, c.email;
-- point_read orders
SELECT status FROM orders WHERE order_id = 4711 FOR UPDATE;
-- point_read order_items
SELECT EXISTS (SELECT 1 FROM order_items WHERE order_id = 4711 AND line_no = 2);
-- partition_read payments
SELECT * FROM payments WHERE order_id = 4711 ORDER BY paid_at;
-- needs_gsi orders
SELECT order_id FROM orders WHERE status = 'paid' ORDER BY placed_at LIMIT 50 FOR UPDATE SKIP LOCKED;
-- needs_gsi orders
SELECT order_id, customer_id FROM orders WHERE placed_at > now() - interval '1 day';
-- needs_denormalisation orders
SELECT o.order_id FROM orders o JOIN customers c USING (customer_id)
WHERE c.country = 'de' AND o.status = 'paid' ORDER BY o.placed_at LIMIT 100;
-- not_for_dynamodb orders stream_out
SELECT date_trunc('day', placed_at), count(*), sum(shipping_cost) FROM orders GROUP BY 1;
-- not_for_dynamodb * stream_out
SELECT p.brand, sum(i.quantity * i.price) FROM order_items i JOIN products p USING (product_id) GROUP BY p.brand;

-- writes
-- write orders
INSERT INTO orders (order_id, customer_id, status, currency, shipping_cost, discount, gift, placed_at, updated_at, expires_at)
VALUES (99001, 41, 'draft', 'EUR', 4.9, 0, false, now(), now(), now() + interval '90 days');
-- write order_items
INSERT INTO order_items (order_id, line_no, product_id, quantity, price) VALUES (99001, 1, 17, 2, 9.9), (99001, 2, 18, 1, 5);
-- write orders
UPDATE orders SET status = 'placed', updated_at = now() WHERE order_id = 99001;
-- write products
UPDATE products SET stock = stock - 2, in_stock = stock > 2 WHERE product_id = 17 AND stock >= 2;
-- write products
UPDATE products SET name = 'Desk lamp' WHERE product_id = 17;
-- write reviews
INSERT INTO reviews (product_id, handle, edition, customer_id, stars, published, posted_at)
VALUES (17, 'anna', 0, 41, 5, true, now()) ON CONFLICT (product_id, handle, edition) DO UPDATE SET stars = excluded.stars;
-- write order_items
UPDATE order_items SET cancelled_at = now() FROM orders o WHERE o.order_id = order_items.order_id AND o.order_id = 99001;
-- write addresses
DELETE FROM addresses WHERE address_id = 3;
-- outside
COMMIT;
