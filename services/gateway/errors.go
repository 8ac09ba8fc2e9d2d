package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"interlock/services/rail"
)

const internalText = "something went wrong on the server; its log has it under this requestId"

// The refusals of the gateway itself.
var (
	forbiddenOrigin   = rail.Refuse(rail.Forbidden, "pages of this origin may not use the API; see --allowed-origins")
	tooManyRequests   = &rail.Error{Code: rail.Overloaded, Message: "too many requests at once: nothing was done with this one", RetryAfter: overloadRetry}
	tooManyStreams    = &rail.Error{Code: rail.Overloaded, Message: "this server has too many streams open", RetryAfter: overloadRetry}
	tooManyOperations = &rail.Error{
		Code: rail.Overloaded, Message: "too many operations are running on this WebSocket: complete others first", RetryAfter: overloadRetry,
	}
	goingAway = &rail.Error{Code: rail.Unavailable, Message: "the server is going away", RetryAfter: overloadRetry}
	starting  = &rail.Error{
		Code: rail.Unavailable, Message: "this server has just started, and cannot serve streams yet", RetryAfter: startingRetry,
	}
	tokenOver   = rail.Refuse(rail.Unauthenticated, "%s", errTokenOver)
	tookTooLong = &rail.Error{
		Code: rail.Unavailable, Message: "the answer took too long; what a mutation asked for may have been done: ask again with the same idempotency key",
		RetryAfter: overloadRetry,
	}
	wentAway = rail.Refuse(rail.Unavailable, "the request was given up")
)

func tooManyOfViewer(limit int) *rail.Error {
	return &rail.Error{
		Code: rail.Overloaded, RetryAfter: streamRetry,
		Message: fmt.Sprintf("you have %d streams open on this server, and may have no more: close one, or subscribe on one you have", limit),
	}
}

func tooManyOfAddress(limit int) *rail.Error {
	return &rail.Error{
		Code: rail.Overloaded, RetryAfter: streamRetry,
		Message: fmt.Sprintf("%d streams without a token are open from your address, which may have no more: send a token", limit),
	}
}

// errorPresenter turns errors into what clients are told, and logs what they are not.
type errorPresenter struct {
	log     *slog.Logger
	metrics *metrics
	now     func() time.Time

	mu     sync.Mutex
	warned map[rail.Code]time.Time
}

// present is gqlgen's error presenter; nil where the answer has errors enough.
func (p *errorPresenter) present(ctx context.Context, err error) *gqlerror.Error {
	if b := budgetOf(ctx); b != nil && !b.tells() {
		return nil
	}
	// gqlgen has wrapped the error to give it a path; its text there is the whole chain's, which is not for clients.
	out := &gqlerror.Error{}
	var wrapped *gqlerror.Error
	if errors.As(err, &wrapped) {
		out.Path, out.Locations = wrapped.Path, wrapped.Locations
	}
	var many rail.Errors
	if errors.As(err, &many) && len(many) > 0 {
		last := min(len(many), maxErrors) - 1
		for _, each := range many[:last] {
			graphql.AddError(ctx, each)
		}
		err = many[last]
	}
	var known *rail.Error
	switch {
	case errors.As(err, &known):
		p.tell(ctx, out, known)
	case wrapped != nil && codeOf(wrapped) != "":
		out.Message, out.Extensions = wrapped.Message, wrapped.Extensions
		if codeOf(wrapped) == errcode.ValidationFailed && isInput(wrapped) {
			out.Extensions = map[string]any{"code": string(rail.BadUserInput)}
		}
	case errors.Is(err, context.DeadlineExceeded):
		p.tell(ctx, out, tookTooLong)
	case errors.Is(err, context.Canceled):
		p.tell(ctx, out, wentAway)
	case readsArguments(ctx):
		// gqlgen's own scalars say what is wrong with a value in plain errors.
		out.Message, out.Extensions = lastOf(err).Error(), map[string]any{"code": string(rail.BadUserInput)}
	case wrapped != nil && wrapped.Err == nil && !graphql.HasOperationContext(ctx):
		// gqlgen says so itself, before there is an operation: a message on a WebSocket that it cannot read.
		out.Message, out.Extensions = wrapped.Message, map[string]any{"code": string(rail.BadUserInput)}
	default:
		p.tell(ctx, out, &rail.Error{Code: rail.Internal, Cause: err})
	}
	if len(out.Message) > maxMessageBytes {
		out.Message = strings.ToValidUTF8(out.Message[:maxMessageBytes], "") + " …"
	}
	p.metrics.countError(codeOf(out))
	return out
}

// show is what a client is told of an error of ours that belongs to no field.
func (p *errorPresenter) show(ctx context.Context, e *rail.Error) *gqlerror.Error {
	out := &gqlerror.Error{}
	p.tell(ctx, out, e)
	p.metrics.countError(codeOf(out))
	return out
}

// tell fills in what a client is told of an error of ours, and logs its cause.
func (p *errorPresenter) tell(ctx context.Context, out *gqlerror.Error, e *rail.Error) {
	out.Message = e.Message
	out.Extensions = map[string]any{"code": string(e.Code)}
	if len(e.Path) > 0 {
		out.Extensions["path"] = e.Path
	}
	if e.RetryAfter > 0 {
		out.Extensions["retryAfterMs"] = e.RetryAfter.Milliseconds()
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
		"operation", operationName(ctx), "path", out.Path.String(), "code", string(e.Code), "request_id", requestID(ctx),
		"error", e.Cause.Error(),
	}
}

// mayWarn keeps warnings to one per interval and code.
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

// recovered is gqlgen's recover function, and that of all other requests: it logs the panic where its stack still is,
// and gives an error that says no more.
func (p *errorPresenter) recovered(ctx context.Context, cause any) error {
	p.metrics.panics.Inc()
	p.log.ErrorContext(ctx, "a request panicked", "operation", operationName(ctx), "request_id", requestID(ctx),
		"panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
	return &rail.Error{Code: rail.Internal, Message: internalText}
}

// operationName is what a log line calls an operation: the client's name for it, else its kind.
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

func codeOf(e *gqlerror.Error) string {
	code, _ := e.Extensions["code"].(string)
	return code
}

// isVariable tells whether an error of GraphQL's validation points at the value of a variable.
func isVariable(path ast.Path) bool {
	return len(path) > 0 && path[0] == ast.PathName("variable")
}

// readsArguments tells whether the error arose while gqlgen read a field's arguments, before any resolver ran: then the
// field has arguments, but none were read yet.
func readsArguments(ctx context.Context) bool {
	field := graphql.GetFieldContext(ctx)
	return field != nil && field.Args == nil && field.Field.Field != nil && len(field.Field.Arguments) > 0
}

// lastOf is the error at the bottom of a chain, without what was put around it.
func lastOf(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
