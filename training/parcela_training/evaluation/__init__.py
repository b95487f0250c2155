"""Networks and registrations measured over a prepared cohort."""
