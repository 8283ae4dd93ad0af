"""Events as the API's description shows them: real ones."""

METRICS = (
    "event: metrics\n"
    'data: {"second":"2026-11-25T20:11:20Z","at":"2026-11-25T20:11:21Z","complete":true,"clicks":20,'
    '"duplicates":0,"late":0,"bots":0,"events":{"beer_product_detail":4,"beer_vitrine_nav":8,'
    '"beer_products":4,"beer_selection":3,"beer_cart":1},"devices":{"computer":8,"tablet":1,"mobile":11},'
    '"conversions":0,"revenue":"0","this_minute":{"minute":"2026-11-25T20:11:00Z","conversions":133,'
    '"revenue":"5563.20"},"open_sessions":1699,"closed_sessions":1,"revised_sessions":0,'
    '"session_duration":{"count":1,"sum":0,"min":0,"max":0,"p50":0,"p90":0,"p99":0},'
    '"session_events":{"count":1,"sum":1,"min":1,"max":1,"p50":1,"p90":1,"p99":1},'
    '"active_users_5m":16457,"active_users_30m":16457,"watermark":"2026-11-25T20:11:10.026322Z",'
    '"watermark_lag_sec":10.973678,"arrived":[{"minute":"2026-11-25T20:11:00Z","clicks":20}],'
    '"changes":[{"minute":"2026-11-25T19:41:00Z","sessions":1,"events":1,"duration_sec":0,"bounces":1,'
    '"conversions":0,"orders":0,"revenue":"0"}]}\n'
    "id: 1795637481000\n"
    "\n"
)
SESSIONS = (
    "event: sessions\n"
    'data: {"revoked":[],"sessions":[{"session_uid":"48cfac82-2950-e229-b698-094dd6abff50",'
    '"session_id":"62576_TAB1795635660","window":"visits","site_id":"default","user_id":"62576",'
    '"device_id":"tablet","device_type":"tablet","timeagg":"2026-11-25T19:41:00Z","events":2,'
    '"begin_navigation":"beer_products","end_navigation":"beer_selection",'
    '"begin_session":"2026-11-25T19:41:10.832151Z","end_session":"2026-11-25T19:41:19.081607Z",'
    '"duration_sec":8,"path":[{"event":"beer_products","offset_ms":0},{"event":"beer_selection",'
    '"offset_ms":8249}],"path_truncated":false,"entry_url":"https://shop.example/products?page=8",'
    '"referrer":null,"utm_source":null,"utm_medium":null,"utm_campaign":null,'
    '"experiments":{"checkout":"A"},"currency":null,"converted":false,"orders":0,"revenue":"0",'
    '"bounced":true,"closed_by":"gap","version":1}]}\n'
    "id: 1795637489500\n"
    "\n"
)
CLICKS = (
    "event: clicks\n"
    'data: [{"event_id":"399f5bf79613e3e8","site_id":"default","user_id":"16051","device_id":"mobile",'
    '"device_type":"mobile","client_event":"beer_products",'
    '"client_timestamp":"2026-11-25T20:11:40.161511Z","received_at":"2026-11-25T20:11:40.270589Z",'
    '"is_bot":false,"page_url":"https://shop.example/products?page=3"}]\n'
    "id: 1795637500500\n"
    "\n"
)
