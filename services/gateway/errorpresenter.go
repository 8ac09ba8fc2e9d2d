package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"interlock/services/rail"
)

const internalText = "something went wrong on the server; its log has it under this requestId"

// errorPresenter turns errors into what clients are told, and logs what they are not.
type errorPresenter struct {
	log     *slog.Logger
	metrics *metrics
	now     func() time.Time
	spread  func(time.Duration) time.Duration

	mu     sync.Mutex
	warned map[rail.Code]time.Time
}

// present is gqlgen's error presenter. It returns what the client is told, and nil where the response has errors
// enough.
func (p *errorPresenter) present(ctx context.Context, err error) *gqlerror.Error {
	if b := budgetOf(ctx); b != nil && !b.tells() {
		return nil
	}
	report := reportOf(err)
	out := &gqlerror.Error{Path: report.Path, Locations: report.Locations}
	err = addAllButLast(ctx, err)
	switch classify(ctx, err) {
	case classRefusal:
		p.tell(ctx, out, refusalIn(err))
	case classDocument:
		out.Message, out.Extensions = report.Message, report.Extensions
	case classValue:
		out.Message, out.Extensions = report.Message, badInput()
	case classArgument:
		out.Message, out.Extensions = innermost(err).Error(), badInput()
	case classDeadline:
		p.tell(ctx, out, tookTooLong)
	case classCanceled:
		p.tell(ctx, out, wentAway)
	case classInternal:
		p.tell(ctx, out, &rail.Error{Code: rail.Internal, Cause: err})
	}
	if len(out.Message) > maxMessageBytes {
		out.Message = strings.ToValidUTF8(out.Message[:maxMessageBytes], "") + " …"
	}
	p.metrics.countError(codeOf(out))
	return out
}

// errorClass is where an error comes from. It decides what the client is told.
type errorClass int

const (
	// classInternal is every error that is of no other class. The client is told INTERNAL and the request's id; the
	// text goes to the log.
	classInternal errorClass = iota
	// classRefusal is a *rail.Error of ours. The client is told its code, message, path and retry delay.
	classRefusal
	// classDocument is what GraphQL or a limit has against a document, before anything is executed. The client is told
	// the code and the message as they are.
	classDocument
	// classValue is a variable or a literal that is not of its type. The client is told BAD_USER_INPUT and the message.
	classValue
	// classArgument is a scalar that cannot read an argument of a field. The client is told BAD_USER_INPUT and the
	// scalar's message.
	classArgument
	// classDeadline is an operation whose time is over. The client is told UNAVAILABLE: it may ask again.
	classDeadline
	// classCanceled is an operation that was given up, for the client is gone or the server ends it.
	classCanceled
)

// classify says where an error comes from. The first case that fits counts: a refusal of ours may wrap the end of a
// context, and GraphQL's errors say what they are by a code.
func classify(ctx context.Context, err error) errorClass {
	report := reportOf(err)
	switch {
	case refusalIn(err) != nil:
		return classRefusal
	case isAboutValue(report):
		return classValue
	case codeOf(report) != "":
		return classDocument
	case errors.Is(err, context.DeadlineExceeded):
		return classDeadline
	case errors.Is(err, context.Canceled):
		return classCanceled
	case readsArguments(ctx):
		return classArgument
	}
	return classInternal
}

// refusalIn is the first refusal of ours in a chain of errors; nil where there is none.
func refusalIn(err error) *rail.Error {
	var refusal *rail.Error
	errors.As(err, &refusal)
	return refusal
}

// addAllButLast adds the errors of a list to the response, all but the last one, which it returns. It adds at most
// maxErrors. An error that is no list is returned as it is.
func addAllButLast(ctx context.Context, err error) error {
	var list rail.Errors
	if !errors.As(err, &list) || len(list) == 0 {
		return err
	}
	last := min(len(list), maxErrors) - 1
	for _, one := range list[:last] {
		graphql.AddError(ctx, one)
	}
	return list[last]
}

func badInput() map[string]any { return map[string]any{"code": string(rail.BadUserInput)} }

// show is what a client is told of a refusal that belongs to no field.
func (p *errorPresenter) show(ctx context.Context, e *rail.Error) *gqlerror.Error {
	out := &gqlerror.Error{}
	p.tell(ctx, out, e)
	p.metrics.countError(codeOf(out))
	return out
}

// tell fills in what a client is told of a refusal, and logs its cause.
func (p *errorPresenter) tell(ctx context.Context, out *gqlerror.Error, e *rail.Error) {
	out.Message = e.Message
	out.Extensions = map[string]any{"code": string(e.Code)}
	if len(e.Path) > 0 {
		out.Extensions["path"] = e.Path
	}
	if wait := e.RetryAfter; wait > 0 {
		if e.Code == rail.Overloaded || e.Code == rail.RateLimited {
			wait = p.spread(wait)
		}
		out.Extensions["retryAfterMs"] = wait.Milliseconds()
	}
	switch {
	case e.Code == rail.Internal:
		out.Message = internalText
		out.Extensions["requestId"] = requestID(ctx)
		if e.Cause != nil {
			p.log.ErrorContext(ctx, "an operation failed", p.about(ctx, out, e)...)
		}
	case e.Cause != nil && e.Code != rail.Unauthenticated && p.mayWarn(e.Code):
		p.log.WarnContext(ctx, "an operation was refused", p.about(ctx, out, e)...)
	}
}

func (p *errorPresenter) about(ctx context.Context, out *gqlerror.Error, e *rail.Error) []any {
	return []any{
		"operation", operationName(ctx), "path", out.Path.String(), "code", string(e.Code),
		"request_id", requestID(ctx),
		"error", e.Cause.Error(),
	}
}

// spread keeps those who were refused at one moment from coming back at one moment.
func spread(wait time.Duration) time.Duration {
	return wait + time.Duration(rand.Int64N(int64(wait/2)+1))
}

// mayWarn allows one warning per code and warnInterval.
func (p *errorPresenter) mayWarn(code rail.Code) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if last, ok := p.warned[code]; ok && now.Sub(last) < warnInterval {
		return false
	}
	if p.warned == nil {
		p.warned = map[rail.Code]time.Time{}
	}
	p.warned[code] = now
	return true
}

// recovered is gqlgen's recover function, and that of all other requests. It logs the panic while its stack is still
// there, and returns an error without it.
func (p *errorPresenter) recovered(ctx context.Context, cause any) error {
	p.metrics.panics.Inc()
	p.log.ErrorContext(ctx, "a request panicked", "operation", operationName(ctx), "request_id", requestID(ctx),
		"panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
	return &rail.Error{Code: rail.Internal, Message: internalText}
}

// operationName is the name of an operation in the log: the client's name for it, or else its kind.
func operationName(ctx context.Context) string {
	if !graphql.HasOperationContext(ctx) {
		return ""
	}
	operation := graphql.GetOperationContext(ctx)
	switch {
	case operation.OperationName != "":
		return operation.OperationName
	case operation.Operation == nil:
		return ""
	case operation.Operation.Name != "":
		return operation.Operation.Name
	}
	return string(operation.Operation.Operation)
}
