package rail

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Code says what kind of "no" an Error is. Clients translate codes; messages are for developers.
type Code string

// Refusals: expected answers to a mutation, told as userErrors with a path.
const (
	Invalid             Code = "INVALID"
	NotFound            Code = "NOT_FOUND"
	SoldOut             Code = "SOLD_OUT"
	SaleNotOpen         Code = "SALE_NOT_OPEN"
	SaleClosed          Code = "SALE_CLOSED"
	NotOnSale           Code = "NOT_ON_SALE"
	AlreadyTravelling   Code = "ALREADY_TRAVELLING"
	HoldLimit           Code = "HOLD_LIMIT"
	DocumentLimit       Code = "DOCUMENT_LIMIT"
	HoldExpired         Code = "HOLD_EXPIRED"
	WrongState          Code = "WRONG_STATE"
	RunHasOrders        Code = "RUN_HAS_ORDERS"
	PaymentUnavailable  Code = "PAYMENT_UNAVAILABLE"
	IdempotencyConflict Code = "IDEMPOTENCY_CONFLICT"
	// QuoteStale: the quote is not what a refund or a change would be now. Ask for a new one.
	QuoteStale Code = "QUOTE_STALE"
	// Departed: the train has left the station where the ticket begins.
	Departed Code = "DEPARTED"
)

// Failures: told as top-level GraphQL errors with extensions.code.
const (
	BadUserInput    Code = "BAD_USER_INPUT"
	Unauthenticated Code = "UNAUTHENTICATED"
	Forbidden       Code = "FORBIDDEN"
	Overloaded      Code = "OVERLOADED"
	RateLimited     Code = "RATE_LIMITED"
	OrderPending    Code = "ORDER_PENDING"
	Unavailable     Code = "UNAVAILABLE"
	Internal        Code = "INTERNAL"
)

// IsRefusal tells whether the code is an expected answer to a mutation (a userErrors entry) and not a failure.
func (c Code) IsRefusal() bool {
	switch c {
	case Invalid, NotFound, SoldOut, SaleNotOpen, SaleClosed, NotOnSale, AlreadyTravelling, HoldLimit, DocumentLimit,
		HoldExpired, WrongState,
		RunHasOrders, PaymentUnavailable, IdempotencyConflict, QuoteStale, Departed:
		return true
	}
	return false
}

// Error is an error whose text may leave the process. Any other error is INTERNAL, and its text stays inside.
type Error struct {
	Code    Code
	Message string
	// Path leads from "input" to what is wrong, list indices as decimal strings; empty when no one place is.
	Path []string
	// RetryAfter is how long a client should wait before it tries again; 0 where trying again does not help.
	RetryAfter time.Duration
	// Cause is for the log only.
	Cause error
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return string(e.Code) + ": " + e.Message + ": " + e.Cause.Error()
	}
	return string(e.Code) + ": " + e.Message
}

func (e *Error) Unwrap() error { return e.Cause }

// Is makes errors.Is(err, &Error{Code: c}) true for every Error with that code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Message == "" && t.Path == nil
}

// Refuse makes an Error with a formatted message and no path.
func Refuse(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// At returns a copy of the error that points at a path.
func (e *Error) At(path ...string) *Error {
	c := *e
	c.Path = path
	return &c
}

// CodeOf is the code of the first Error in err's chain, Internal when there is none, "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

// Index is a list index as a path element.
func Index(i int) string { return strconv.Itoa(i) }

// Errors collects everything that is wrong with one input, so that a caller sees all of it at once.
type Errors []*Error

// MaxErrors is how many refusals a list for one input has at most. An input may have a wrong seat label for each of
// 65,536 seats. Where there are more refusals, the next try tells of them.
const MaxErrors = 64

// Add appends one refusal, unless there are MaxErrors.
func (e *Errors) Add(code Code, path []string, format string, args ...any) {
	if len(*e) < MaxErrors {
		*e = append(*e, &Error{Code: code, Message: fmt.Sprintf(format, args...), Path: path})
	}
}

func (e Errors) Error() string {
	switch len(e) {
	case 0:
		return "no error"
	case 1:
		return e[0].Error()
	}
	return fmt.Sprintf("%s (and %d more)", e[0].Error(), len(e)-1)
}

// Unwrap gives errors.Is and errors.As every one of the errors.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i := range e {
		all[i] = e[i]
	}
	return all
}

// OrNil is nil when nothing was added.
func (e Errors) OrNil() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// Repath is an Error or Errors with other paths. Any other error stays as it is.
func Repath(err error, path func([]string) []string) error {
	switch e := err.(type) { //nolint:errorlint // What is wrapped is of no input.
	case *Error:
		return e.At(path(e.Path)...)
	case Errors:
		moved := make(Errors, len(e))
		for i, one := range e {
			moved[i] = one.At(path(one.Path)...)
		}
		return moved
	}
	return err
}

// Under is an Error or Errors with their paths below another one.
func Under(err error, root ...string) error {
	return Repath(err, func(path []string) []string { return under(root, path...) })
}
