package bank

import "net/http"

// fault is an error of the API in Stripe's shape. https://docs.stripe.com/api/errors
type fault struct {
	Status  int    `json:"-"`
	Type    string `json:"type"`
	Code    string `json:"code,omitempty"`
	Decline string `json:"decline_code,omitempty"`
	Param   string `json:"param,omitempty"`
	Message string `json:"message"`
}

func invalid(code, param, message string) *fault {
	return &fault{
		Status: http.StatusBadRequest, Type: "invalid_request_error", Code: code, Param: param, Message: message,
	}
}

func missing(what, id string) *fault {
	return &fault{
		Status: http.StatusNotFound, Type: "invalid_request_error", Code: "resource_missing", Param: "id",
		Message: "No such " + what + ": '" + id + "'",
	}
}

// unexpected says that an intent is in no state for what was asked.
func unexpected(i *intent, what string) *fault {
	return invalid("payment_intent_unexpected_state", "",
		"This PaymentIntent could not be "+what+" because it has a status of "+i.Status+".")
}
