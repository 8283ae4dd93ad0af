"""Events as the API's description shows them: real ones."""

METRICS = (
    "event: metrics\n"
    'data: {"second":"2026-11-26T00:43:50Z","at":"2026-11-26T00:43:51Z","complete":true,"clicks":10,'
    '"duplicates":0,"late":0,"bots":0,"events":{"beer_vitrine_nav":1,"beer_product_detail":4,'
    '"beer_products":1,"beer_selection":2,"beer_cart":1,"beer_checkout":1},"devices":{"tablet":1,'
    '"mobile":5,"computer":4},"conversions":1,"revenue":"50.84",'
    '"this_minute":{"minute":"2026-11-26T00:43:00Z","conversions":8,"revenue":"211.14",'
    '"session_duration":{"count":10,"sum":468,"min":0,"max":177,"p50":0,"p90":148,"p99":177},'
    '"session_events":{"count":10,"sum":35,"min":1,"max":10,"p50":1,"p90":7,"p99":10}},'
    '"open_sessions":4903,"closed_sessions":1,"revised_sessions":0,"session_duration":{"count":1,'
    '"sum":177,"min":177,"max":177,"p50":177,"p90":177,"p99":177},"session_events":{"count":1,"sum":10,'
    '"min":10,"max":10,"p50":10,"p90":10,"p99":10},"active_users_5m":1006,"active_users_30m":6941,'
    '"watermark":"2026-11-26T00:43:38.972815Z","watermark_lag_sec":12.027185,'
    '"arrived":[{"minute":"2026-11-26T00:43:00Z","clicks":10}],'
    '"changes":[{"minute":"2026-11-26T00:10:00Z","sessions":1,"events":10,"duration_sec":177,"bounces":0,'
    '"conversions":1,"orders":1,"revenue":"60.18"}]}\n'
    "id: 1795653831000\n"
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
    '"bounced":true,"closed_by":"gap","version":1,"revised_because":null}]}\n'
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
