"""Import and export of runs and models.

mlflow_import.py  a run and its model from MLflow: mlflow_arrivals.py stores runs, mlflow_logged.py fetches
mlflow_export.py  a run and its versions to MLflow, once
mlflow_model.py   an imported model as an artifact; mlmodel_file.py checks its description
mlflow_access.py  a store, opened without a global setting
run_files.py      verified copies of a run's files
"""
