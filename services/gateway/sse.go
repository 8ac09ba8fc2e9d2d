package gateway

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"interlock/services/rail"
)

// sseTransport is server-sent events, as the GraphQL over SSE protocol has it ("distinct connections mode"): an
// operation per request, each answer an event "next", the end an event "complete". A stream that the server breaks off, or
// that it could not begin just now, has no "complete", so that clients come back.
type sseTransport struct{ g *Gateway }

var _ graphql.Transport = sseTransport{}

// errTokenOver is why a subscription ends whose token does.
var errTokenOver = errors.New("the token has expired")

// Supports implements graphql.Transport.
func (t sseTransport) Supports(r *http.Request) bool { return wantsSSE(r) }

// Do implements graphql.Transport.
func (t sseTransport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	stream := &sseStream{cancel: cancel}
	viewer, address := rail.ViewerFrom(ctx), addressOf(r, t.g.options.TrustedProxies)
	entry, err := t.g.streams.enter(stream, ownedBy(viewer, address))
	if err != nil {
		t.g.refuseUnread(w, r, err)
		return
	}
	defer entry.leave()
	ctx = rail.WithClient(ctx, rail.Client{Address: address, Stream: entry.id})

	operation, errs, err := t.g.readRequest(ctx, w, r, exec)
	if err != nil {
		t.g.refuseUnread(w, r, err)
		return
	}
	isSubscription := false
	if len(errs) == 0 {
		if t.g.refuseMutationByGET(w, r, operation) {
			return
		}
		isSubscription = operation.Operation.Operation == ast.Subscription
		if isSubscription && !stream.subscribe() {
			t.g.refuse(w, r, http.StatusServiceUnavailable, goingAway)
			return
		}
		if !isSubscription {
			if !t.g.inFlight.start() {
				t.g.refuse(w, r, http.StatusServiceUnavailable, tooManyRequests)
				return
			}
			defer t.g.inFlight.end()
		}
	}
	if isSubscription && viewer != nil && !viewer.Expires.IsZero() {
		// What a token opened does not stay open longer than the token. What it asked for once is answered.
		ctx, cancel = context.WithDeadlineCause(ctx, viewer.Expires, errTokenOver)
		defer cancel()
	}
	ctx = graphql.WithOperationContext(ctx, operation)
	header := w.Header()
	header.Set("Content-Type", "text/event-stream; charset=utf-8")
	header.Set("X-Accel-Buffering", "no") // nginx collects events otherwise
	w.WriteHeader(http.StatusOK)
	out := &sseWriter{w: w, controller: http.NewResponseController(w), cancel: stream.cancel}
	// A comment first: the client knows that it is connected, and every proxy on the way lets the headers go.
	out.write(":\n\n")
	stop := out.keepAlive(ctx)
	defer stop()
	complete := func() {
		stop() // Nothing comes after the end, no sign of life either.
		out.complete()
	}

	if len(errs) > 0 {
		out.next(exec.DispatchError(ctx, errs[:min(len(errs), maxErrors)]))
		complete()
		return
	}
	if t.execute(ctx, out, exec, operation, isSubscription) && !(isSubscription && stream.isLeaving()) {
		complete()
	}
}

// execute writes what an operation comes to; true where that is its end, and not a moment to come back after.
func (t sseTransport) execute(
	ctx context.Context, out *sseWriter, exec graphql.GraphExecutor, operation *graphql.OperationContext, isSubscription bool,
) (ended bool) {
	defer func() {
		if cause := recover(); cause != nil {
			out.next(&graphql.Response{Errors: gqlerror.List{t.g.presenter.present(ctx, t.g.presenter.recovered(ctx, cause))}})
			ended = false
		}
	}()
	responses, inner := exec.DispatchOperation(ctx, operation)
	answered := false
	for response := responses(inner); response != nil; response = responses(inner) {
		answered = true
		if isSubscription && isToBeAskedAgain(response) {
			out.retryAfter(response.Errors)
			out.next(response)
			return false
		}
		out.next(response)
	}
	switch {
	case errors.Is(context.Cause(ctx), errTokenOver):
		out.next(&graphql.Response{Errors: gqlerror.List{t.g.presenter.present(ctx, tokenOver)}})
		return true
	case ctx.Err() != nil:
		return false
	case !answered && !isSubscription:
		// Its time was over before anything was executed.
		out.next(&graphql.Response{Errors: gqlerror.List{t.g.presenter.present(ctx, tookTooLong)}})
	}
	return true
}

// sseWriter writes whole events, each within the time a reader has to take it.
type sseWriter struct {
	mu         sync.Mutex
	w          http.ResponseWriter
	controller *http.ResponseController
	cancel     context.CancelFunc
}

func (e *sseWriter) next(response *graphql.Response) {
	body, err := encodeResponse(response)
	if err != nil {
		// Only an extension of our own could fail to encode.
		panic(err)
	}
	e.write("event: next\ndata: " + string(body) + "\n\n")
}

func (e *sseWriter) complete() { e.write("event: complete\ndata:\n\n") }

// retryAfter tells a browser when to come back, as the first of the errors says that gives a time.
func (e *sseWriter) retryAfter(errs gqlerror.List) {
	for _, err := range errs {
		if wait, ok := err.Extensions["retryAfterMs"].(int64); ok {
			e.write("retry: " + strconv.FormatInt(wait, 10) + "\n\n")
			return
		}
	}
}

// write ends the stream when nobody reads.
func (e *sseWriter) write(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	// A writer that knows no deadlines is a test's.
	_ = e.controller.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := e.w.Write([]byte(text))
	if err == nil {
		err = e.controller.Flush()
	}
	if err != nil {
		e.cancel()
	}
}

// keepAlive writes a comment now and then, until it is stopped; stop waits for it, for nothing may be written once the
// handler has returned.
func (e *sseWriter) keepAlive(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(keepAlive)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				e.write(":\n\n")
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// sseStream is an event stream as those see it who end it.
type sseStream struct {
	cancel context.CancelFunc

	mu sync.Mutex
	// subscribed says that it is a subscription; until its request is read, it may be something to be answered.
	subscribed, leaving bool
}

// subscribe makes it known as a subscription; false where it is not to begin any more.
func (s *sseStream) subscribe() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscribed = true
	return !s.leaving
}

func (s *sseStream) isLeaving() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leaving
}

// goAway implements stream.
func (s *sseStream) goAway() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaving = true
	if s.subscribed {
		s.cancel()
	}
}

// cut implements stream.
func (s *sseStream) cut() { s.cancel() }
