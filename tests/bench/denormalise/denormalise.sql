-- The same records by DuckDB: key, item, digest, in files by bucket. For data whose texts need no escape but JSON's
-- own, and whose numerics have two decimals. {snapshot} and {out} are folders.
COPY (
    WITH line AS (
        SELECT order_id, string_agg(
            '{{"M":{{"line_no":{{"N":"' || line_no || '"}},"price":{{"N":"' || rtrim(rtrim(price, '0'), '.')
            || '"}},"product_id":{{"N":"' || product_id || '"}},"quantity":{{"N":"' || quantity
            || '"}},"sku":{{"S":' || to_json(sku) || '}}}}}}', ',' ORDER BY line_no
        ) AS maps
        FROM read_parquet('{snapshot}/lines/*.parquet') GROUP BY order_id
    ), customer AS (
        SELECT customer_id, '{{"M":{{"country":{{"S":' || to_json(country) || '}},"email":{{"S":' || to_json(email)
            || '}},"name":{{"S":' || to_json(name) || '}}}}}}' AS map
        FROM read_parquet('{snapshot}/customers/*.parquet')
    ), item AS (
        SELECT '{{"pk":{{"S":"CUSTOMER#' || customer_id || '"}},"sk":{{"S":"ORDER#'
            || lpad(order_id::VARCHAR, 10, '0') || '"}}}}' AS key,
            '{{"customer":' || customer.map || ',"customer_id":{{"N":"' || customer_id
            || '"}},"entity":{{"S":"order"}},"lines":{{"L":[' || coalesce(line.maps, '') || ']}}'
            || coalesce(',"note":{{"S":' || to_json(note) || '}}', '')
            || ',"order_id":{{"N":"' || order_id || '"}},"pk":{{"S":"CUSTOMER#' || customer_id
            || '"}},"placed_at":{{"S":"' || strftime(placed_at, '%Y-%m-%dT%H:%M:%S.%fZ')
            || '"}},"sk":{{"S":"ORDER#' || lpad(order_id::VARCHAR, 10, '0')
            || '"}},"status":{{"S":' || to_json(status)
            || '}},"total":{{"N":"' || rtrim(rtrim(total, '0'), '.') || '"}}}}' AS item
        FROM read_parquet('{snapshot}/orders/*.parquet')
        LEFT JOIN customer USING (customer_id) LEFT JOIN line USING (order_id)
    )
    SELECT key, item, unhex(sha256(item)) AS digest, hash(key) % 64 AS bucket FROM item
) TO '{out}' (FORMAT parquet, PARTITION_BY (bucket), COMPRESSION zstd, COMPRESSION_LEVEL 1);
