"""What the services of docker-compose.yml run, each as `python -m launch.container SERVICE`; people use compose."""
