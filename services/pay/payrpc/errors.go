package payrpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	"interlock/services/ledger"
	"interlock/services/pay/paypb"
	"interlock/services/rail"
)

// codes are what each code of package rail is as one of Connect's and gRPC's. The detail has the code itself, since
// some share one; see Failure in pay.proto.
var codes = map[rail.Code]connect.Code{
	rail.Invalid:             connect.CodeInvalidArgument,
	rail.BadUserInput:        connect.CodeInvalidArgument,
	rail.NotFound:            connect.CodeNotFound,
	rail.SoldOut:             connect.CodeFailedPrecondition,
	rail.SaleNotOpen:         connect.CodeFailedPrecondition,
	rail.SaleClosed:          connect.CodeFailedPrecondition,
	rail.NotOnSale:           connect.CodeFailedPrecondition,
	rail.AlreadyTravelling:   connect.CodeFailedPrecondition,
	rail.HoldLimit:           connect.CodeFailedPrecondition,
	rail.DocumentLimit:       connect.CodeFailedPrecondition,
	rail.HoldExpired:         connect.CodeFailedPrecondition,
	rail.WrongState:          connect.CodeFailedPrecondition,
	rail.RunHasOrders:        connect.CodeFailedPrecondition,
	rail.PaymentUnavailable:  connect.CodeFailedPrecondition,
	rail.IdempotencyConflict: connect.CodeAlreadyExists,
	rail.Unauthenticated:     connect.CodeUnauthenticated,
	rail.Forbidden:           connect.CodePermissionDenied,
	rail.Overloaded:          connect.CodeResourceExhausted,
	rail.OrderPending:        connect.CodeAborted,
	rail.Unavailable:         connect.CodeUnavailable,
	rail.Internal:            connect.CodeInternal,
	codeInDoubt:              connect.CodeAborted,
}

// codeInDoubt is ledger.ErrInDoubt on the wire.
const codeInDoubt rail.Code = "IN_DOUBT"

// plainCodes are what an error without a detail means: one that Connect made, or something between the two processes.
var plainCodes = map[connect.Code]rail.Code{
	connect.CodeInvalidArgument:   rail.Invalid,
	connect.CodeUnauthenticated:   rail.Unauthenticated,
	connect.CodePermissionDenied:  rail.Unauthenticated,
	connect.CodeUnavailable:       rail.Unavailable,
	connect.CodeDeadlineExceeded:  rail.Unavailable,
	connect.CodeCanceled:          rail.Unavailable,
	connect.CodeAborted:           rail.Unavailable,
	connect.CodeUnknown:           rail.Unavailable,
	connect.CodeInternal:          rail.Unavailable, // a connection that was cut
	connect.CodeResourceExhausted: rail.Invalid,     // Connect's own: too large a message
}

// failureOf is an error as it may leave the process: the text of an error that is not package rail's stays inside.
func failureOf(err error) *paypb.Failure {
	var known *rail.Error
	switch {
	case errors.Is(err, ledger.ErrInDoubt):
		return &paypb.Failure{Code: string(codeInDoubt), Message: ledger.ErrInDoubt.Error()}
	case errors.As(err, &known):
		f := &paypb.Failure{Code: string(known.Code), Message: known.Message}
		if known.RetryAfter > 0 {
			f.RetryAfter = durationpb.New(known.RetryAfter)
		}
		return f
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &paypb.Failure{Code: string(rail.Unavailable), Message: "it took too long: ask again"}
	}
	return &paypb.Failure{
		Code:    string(rail.Internal),
		Message: "something went wrong with payments; their log says what",
	}
}

// errorOf is the error that a failure was made of.
func errorOf(f *paypb.Failure) error {
	if rail.Code(f.GetCode()) == codeInDoubt {
		return fmt.Errorf("payments: %w", ledger.ErrInDoubt)
	}
	known := &rail.Error{Code: rail.Code(f.GetCode()), Message: f.GetMessage()}
	if _, ok := codes[known.Code]; !ok {
		known.Code = rail.Internal // a code of a later version
	}
	if f.GetRetryAfter().IsValid() {
		known.RetryAfter = f.GetRetryAfter().AsDuration()
	}
	return known
}

// toWire makes an error of Connect's of any.
func toWire(err error) *connect.Error {
	failure := failureOf(err)
	wire := connect.NewError(codes[rail.Code(failure.GetCode())], errors.New(failure.GetMessage()))
	if detail, err := connect.NewErrorDetail(failure); err == nil {
		wire.AddDetail(detail)
	}
	return wire
}

// unreachableRetry is how long a buyer waits where payments do not answer.
const unreachableRetry = 2 * time.Second

// fromWire makes of an error of Connect's what toWire was given. Where there was no answer, or none of a Handler, it is
// UNAVAILABLE.
func fromWire(err error) error {
	var wire *connect.Error
	if !errors.As(err, &wire) {
		return unreachable(err)
	}
	for _, detail := range wire.Details() {
		value, decodeErr := detail.Value()
		if failure, ok := value.(*paypb.Failure); ok && decodeErr == nil {
			return errorOf(failure)
		}
	}
	code, ok := plainCodes[wire.Code()]
	switch {
	case !ok:
		return &rail.Error{Code: rail.Internal, Message: "payments gave an answer that makes no sense", Cause: err}
	case code == rail.Unavailable:
		return unreachable(err)
	}
	return &rail.Error{Code: code, Message: "payments refuse the request", Cause: err}
}

func unreachable(err error) error {
	return &rail.Error{
		Code: rail.Unavailable, Message: "payments do not answer just now: ask again with the same key",
		RetryAfter: unreachableRetry, Cause: err,
	}
}
