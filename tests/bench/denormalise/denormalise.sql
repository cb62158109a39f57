-- The same records by DuckDB: every column of a record, the checks that make a reject of a row, files by bucket. It
-- knows its data: texts need no escape but JSON's own, numerics have two decimals. {snapshot} and {out} are folders.
CREATE TEMP MACRO plain(number) AS
    CASE WHEN contains(number, '.') THEN rtrim(rtrim(number, '0'), '.') ELSE number END;
CREATE TEMP MACRO number_size(plain) AS
    (length(rtrim(replace(ltrim(plain, '-0.'), '.', ''), '0')) + 1) // 2 + 1 + starts_with(plain, '-')::INT;
CREATE TEMP MACRO is_no_number(number) AS number IN ('NaN', 'Infinity', '-Infinity');
COPY (
    WITH line AS (
        SELECT order_id, string_agg(
            '{{"M":{{"line_no":{{"N":"' || line_no || '"}},"price":{{"N":"' || plain(price)
            || '"}},"product_id":{{"N":"' || product_id || '"}},"quantity":{{"N":"' || quantity || '"}}'
            || coalesce(',"sku":{{"S":' || to_json(sku) || '}}', '') || '}}}}', ',' ORDER BY line_no
        ) AS maps,
        sum(
            number_size(line_no::VARCHAR) + number_size(plain(price)) + number_size(product_id::VARCHAR)
            + number_size(quantity::VARCHAR) + coalesce(strlen(sku) + 4, 0) + 38
        )::BIGINT AS size,
        bool_or(is_no_number(price)) AS wrong
        FROM read_parquet('{snapshot}/lines/*.parquet') GROUP BY order_id
    ), customer AS (
        SELECT customer_id, '{{"M":{{"country":{{"S":' || to_json(country) || '}},"email":{{"S":' || to_json(email)
            || '}},"name":{{"S":' || to_json(name) || '}}}}}}' AS map,
            strlen(country) + strlen(email) + strlen(name) + 22 AS size
        FROM read_parquet('{snapshot}/customers/*.parquet')
    ), built AS (
        SELECT '{{"pk":{{"S":"CUSTOMER#' || customer_id || '"}},"sk":{{"S":"ORDER#'
            || lpad(order_id::VARCHAR, 10, '0') || '"}}}}' AS key,
            '{{"order_id":"' || order_id || '"}}' AS source_key,
            '{{"customer":' || customer.map || ',"customer_id":{{"N":"' || customer_id
            || '"}},"entity":{{"S":"order"}},"lines":{{"L":[' || coalesce(line.maps, '') || ']}}'
            || coalesce(',"note":{{"S":' || to_json(note) || '}}', '')
            || ',"order_id":{{"N":"' || order_id || '"}},"pk":{{"S":"CUSTOMER#' || customer_id
            || '"}},"placed_at":{{"S":"' || strftime(placed_at, '%Y-%m-%dT%H:%M:%S.%fZ')
            || '"}},"sk":{{"S":"ORDER#' || lpad(order_id::VARCHAR, 10, '0')
            || '"}},"status":{{"S":' || to_json(status)
            || '}},"total":{{"N":"' || plain(total) || '"}}}}' AS item,
            customer.size + number_size(customer_id::VARCHAR) + coalesce(line.size, 0)
            + coalesce(strlen(note) + 4, 0) + number_size(order_id::VARCHAR) + strlen(customer_id::VARCHAR)
            + strlen(status) + number_size(plain(total)) + 122 AS size,
            CASE WHEN customer_id IS NULL OR order_id IS NULL THEN 'key_null_or_empty'
                WHEN order_id < 0 OR strlen(order_id::VARCHAR) > 10 THEN 'template_overflow'
                WHEN line.wrong OR is_no_number(total) THEN 'not_a_number'
                WHEN "placed_at::raw" IS NOT NULL THEN 'unrepresentable_date' END AS problem
        FROM read_parquet('{snapshot}/orders/*.parquet')
        LEFT JOIN customer USING (customer_id) LEFT JOIN line USING (order_id)
    ), judged AS (
        SELECT *, CASE WHEN size > 409587 THEN 'item_too_large' ELSE problem END AS reason FROM built
    )
    SELECT 'order' AS item_type, 'shop' AS "table", key, source_key, CASE WHEN reason IS NULL THEN item END AS item,
        0::BIGINT AS version, CASE WHEN reason IS NULL THEN unhex(sha256(item)) END AS digest, size, reason,
        hash(key) % 64 AS bucket
    FROM judged
) TO '{out}' (FORMAT parquet, PARTITION_BY (bucket), COMPRESSION zstd, COMPRESSION_LEVEL 1);
