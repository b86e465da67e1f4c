"""Write a fitted model as an MLflow model: `python mlflow_save.py FILE FOLDER`; runs in MLflow's environment."""

import sys

import joblib
import mlflow.sklearn

if __name__ == "__main__":
    mlflow.sklearn.save_model(joblib.load(sys.argv[1]), sys.argv[2], serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_CLOUDPICKLE)
