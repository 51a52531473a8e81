"""Import and export of runs, models and versions.

mlflow_import.py  a run and its model from MLflow: mlflow_arrivals.py stores runs, mlflow_logged.py fetches
mlflow_export.py  a run and its versions to MLflow, once
mlflow_model.py   an imported model as an artifact; mlmodel_file.py checks its description
mlflow_access.py  a store, opened without a global setting
run_files.py      verified copies of a run's files

version_export.py  a version for other servers, compared with its own answers by onnx_parity.py
onnx_model.py      a model as ONNX: onnx_graph.py builds the graph, onnx_features.py the matrices, onnx_learners.py what
                   learners answer on them, onnx_trees.py the trees
kserve_layout.py   the files by which Triton, MLServer and KServe serve it
"""
