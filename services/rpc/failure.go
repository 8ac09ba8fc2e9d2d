package rpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// codes are what each code of package rail is as one of Connect's and gRPC's. The detail has the code itself, since
// some share one; see Failure in the .proto files.
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

// Failure is the message by which errors go: each .proto file has one.
type Failure interface {
	proto.Message
	GetCode() string
	GetMessage() string
	GetRetryAfter() *durationpb.Duration
}

// Words are how a service's errors go.
type Words struct {
	// Service is how texts call the service, such as "payments".
	Service string
	// New makes the service's own message. retryAfter may be nil.
	New func(code, message string, retryAfter *durationpb.Duration) Failure
}

// FailureOf is an error as it may leave the process: the text of an error that is not package rail's stays inside.
func (w *Words) FailureOf(err error) Failure {
	var known *rail.Error
	switch {
	case errors.Is(err, ledger.ErrInDoubt):
		return w.New(string(codeInDoubt), ledger.ErrInDoubt.Error(), nil)
	case errors.As(err, &known):
		var retryAfter *durationpb.Duration
		if known.RetryAfter > 0 {
			retryAfter = durationpb.New(known.RetryAfter)
		}
		return w.New(string(known.Code), known.Message, retryAfter)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return w.New(string(rail.Unavailable), "it took too long: ask again", nil)
	}
	return w.New(string(rail.Internal), "something went wrong with "+w.Service+"; their log says what", nil)
}

// ErrorOf is the error that a failure was made of.
func (w *Words) ErrorOf(f Failure) error {
	if rail.Code(f.GetCode()) == codeInDoubt {
		return fmt.Errorf("%s: %w", w.Service, ledger.ErrInDoubt)
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

// ToWire makes an error of Connect's of any.
func (w *Words) ToWire(err error) *connect.Error {
	failure := w.FailureOf(err)
	wire := connect.NewError(codes[rail.Code(failure.GetCode())], errors.New(failure.GetMessage()))
	if detail, err := connect.NewErrorDetail(failure); err == nil {
		wire.AddDetail(detail)
	}
	return wire
}

// UnreachableRetry is how long a caller waits where a service does not answer.
const UnreachableRetry = 2 * time.Second

// FromWire makes of an error of Connect's what ToWire was given. Where there was no answer, or none of a service's, it
// is UNAVAILABLE.
func (w *Words) FromWire(err error) error {
	var wire *connect.Error
	if !errors.As(err, &wire) {
		return w.unreachable(err)
	}
	for _, detail := range wire.Details() {
		value, decodeErr := detail.Value()
		if failure, ok := value.(Failure); ok && decodeErr == nil {
			return w.ErrorOf(failure)
		}
	}
	code, ok := plainCodes[wire.Code()]
	switch {
	case !ok:
		return &rail.Error{Code: rail.Internal, Message: w.Service + " gave an answer that makes no sense", Cause: err}
	case code == rail.Unavailable:
		return w.unreachable(err)
	}
	return &rail.Error{Code: code, Message: w.Service + " refuse the request", Cause: err}
}

func (w *Words) unreachable(err error) error {
	return &rail.Error{
		Code: rail.Unavailable, Message: w.Service + " do not answer just now: ask again with the same key",
		RetryAfter: UnreachableRetry, Cause: err,
	}
}
