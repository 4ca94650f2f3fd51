CREATE SETTINGS PROFILE IF NOT EXISTS sqlft_reader SETTINGS
    readonly = 1, -- never 2, which lets a query change all the rest
    max_execution_time = 10,
    timeout_before_checking_execution_speed = 0, -- else that time is an estimate
    max_memory_usage = 2147483648,
    max_result_bytes = 67108864,
    max_result_rows = 1000000,
    result_overflow_mode = 'throw',
    output_format_json_quote_denormals = 1; -- nan and inf, which JSON has not
CREATE USER IF NOT EXISTS analyst IDENTIFIED WITH sha256_password BY 'change me' SETTINGS PROFILE 'sqlft_reader';
CREATE QUOTA IF NOT EXISTS sqlft_reader FOR INTERVAL 1 hour MAX queries = 100000, execution_time = 36000 TO analyst;
GRANT SELECT ON ecommerce.users TO analyst;
GRANT SELECT ON ecommerce.sessions TO analyst;
