"""Which networks are compared: studies, their arms, and how both are composed."""
