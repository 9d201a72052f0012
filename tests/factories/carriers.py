"""What carries texts to people: where to, with which keys, and what a carrier refuses."""

SINCH = "pagoefectivo_django.carriers.sinch.SinchCarrier"
CONSOLE = "pagoefectivo_django.carriers.console.ConsoleCarrier"
TOKEN = "made-up-sinch-token"
KEYS = {"SERVICE_PLAN_ID": "made-up-plan", "API_TOKEN": TOKEN, "FROM": "Shop"}
BATCHES = "POST /xms/v1/made-up-plan/batches"
NUMBER = "+51999888777"
REFUSAL = {"code": "syntax_invalid_parameter_format", "text": f"{NUMBER} is not a number"}
