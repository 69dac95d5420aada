"""What runs beside the data of one participant."""
