CREATE TABLE wide (
    id bigint PRIMARY KEY,
    amount numeric(12, 2) NOT NULL,
    note text,
    sku varchar(20) NOT NULL,
    placed_at timestamptz NOT NULL,
    active boolean NOT NULL,
    payload jsonb,
    ref uuid NOT NULL,
    hash bytea NOT NULL,
    tags text[] NOT NULL
);
INSERT INTO wide
SELECT n,
       hashint8(n)::bigint % 100000000 / 100.0,
       CASE WHEN n % 10 <> 0 THEN 'note "' || md5(n::text) || '"' END,
       'SKU-' || n % 5000,
       timestamptz '2026-01-01 00:00:00+00' + n * interval '1.000003 s',
       n % 3 = 0,
       CASE WHEN n % 50 <> 0 THEN jsonb_build_object(
           'n', n, 'price', n % 10000 / 100.0, 'name', 'Name ' || n, 'flags', jsonb_build_array(n % 2 = 0, null)) END,
       md5(n::text)::uuid,
       sha256(n::text::bytea),
       ARRAY['tag' || n % 7, 'b,' || n % 100]
FROM generate_series(1, {rows}) n;
