package gateway

import (
	"fmt"

	"interlock/services/rail"
)

// The refusals of the gateway itself.
var (
	forbiddenOrigin   = rail.Refuse(rail.Forbidden, "pages of this origin may not use the API; see --allowed-origins")
	badRequestHeaders = rail.Refuse(rail.BadUserInput,
		"Access-Control-Request-Headers holds up to %d names of headers, each of up to %d bytes",
		maxRequestHeaders, maxHeaderNameBytes)
	tooManyRequests = &rail.Error{
		Code: rail.Overloaded, Message: "too many requests at once: nothing was done with this one",
		RetryAfter: overloadRetry,
	}
	tooManyStreams = &rail.Error{
		Code: rail.Overloaded, Message: "this server has too many streams open", RetryAfter: overloadRetry,
	}
	tooManyOperations = &rail.Error{
		Code: rail.Overloaded, Message: "too many operations are running on this WebSocket: complete others first",
		RetryAfter: overloadRetry,
	}
	goingAway = &rail.Error{Code: rail.Unavailable, Message: "the server is going away", RetryAfter: overloadRetry}
	starting  = &rail.Error{
		Code: rail.Unavailable, Message: "this server has just started, and cannot serve streams yet",
		RetryAfter: startingRetry,
	}
	tokenOver   = rail.Refuse(rail.Unauthenticated, "%s", errTokenOver)
	tookTooLong = &rail.Error{
		Code: rail.Unavailable,
		Message: "the answer took too long; what a mutation asked for may have been done: ask again with the " +
			"same idempotency key",
		RetryAfter: overloadRetry,
	}
	batchOver = &rail.Error{
		Code: rail.Unavailable, RetryAfter: overloadRetry,
		Message: "the time of the batch was over before this operation began: nothing was done with it",
	}
	notInBatch          = rail.Refuse(rail.BadUserInput, "a subscription cannot be in a batch")
	invalidStreamTicket = rail.Refuse(rail.Unauthenticated, "the stream ticket is not valid")
	streamTicketOver    = rail.Refuse(rail.Unauthenticated, "the stream ticket is over: make another")
	streamTicketUsed    = rail.Refuse(rail.Unauthenticated,
		"the stream ticket was used before, or is no longer known: make another")
	tooManyStreamTickets = &rail.Error{
		Code: rail.Overloaded, RetryAfter: streamTicketLife,
		Message: "you have too many stream tickets that were not used: use them, or wait until they are over",
	}
	wentAway = rail.Refuse(rail.Unavailable, "the request was given up")
)

func tooManyOfViewer(limit int) *rail.Error {
	return &rail.Error{
		Code: rail.Overloaded, RetryAfter: streamRetry,
		Message: fmt.Sprintf("you have %d streams open on this server, and may have no more: close one, or "+
			"subscribe on one you have", limit),
	}
}

func tooManyOfAddress(limit int) *rail.Error {
	return &rail.Error{
		Code: rail.Overloaded, RetryAfter: streamRetry,
		Message: fmt.Sprintf("%d streams without a token are open from your address, which may have no more: send a "+
			"token", limit),
	}
}
