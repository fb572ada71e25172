"""What runs beside the calls, one file per service, each supervised."""
