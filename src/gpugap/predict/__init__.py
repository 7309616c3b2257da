"""Numbers from models: takes an operator list, a GPU's facts and host facts as arguments; needs no framework."""
