"""What a client adds to the global model for its own users, and never sends [T-FedRS, 3.4].

local_steps.py   the model's own round, played by one client alone
fine_tuning.py   some such steps, from the global model
adapters.py      offsets that are added to the global items' vectors
own_model.py     the client's own iALS, which has seen no other client
gate.py          alpha: how much the global predictor counts against the local one (eq. 1)
predictor.py     both predictors' scores on one scale, and their mixture
personal.py      which of these a run asks for, learnt for one global model
saved.py         how that is kept in the client's folder

All of it follows from the global model and the client's training items. Updates are made without it.
"""

from client.personalisation.personal import Personal, beside, personalise
from client.personalisation.predictor import Predictor
from client.personalisation.saved import load_personal, save_personal

__all__ = ["Personal", "Predictor", "beside", "load_personal", "personalise", "save_personal"]
