package gateway

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"interlock/services/rail"
)

// eventTransport is server-sent events, as the GraphQL over SSE protocol has it ("distinct connections mode"): an
// operation per request, each answer an event "next", the end an event "complete". A stream that the server breaks off
// has no "complete", so that clients come back.
type eventTransport struct{ g *Gateway }

var _ graphql.Transport = eventTransport{}

// Supports implements graphql.Transport.
func (t eventTransport) Supports(r *http.Request) bool { return wantsEvents(r) }

// Do implements graphql.Transport.
func (t eventTransport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if viewer := rail.ViewerFrom(ctx); viewer != nil && !viewer.Expires.IsZero() {
		// What a token opened does not stay open longer than the token.
		ctx, cancel = context.WithDeadline(ctx, viewer.Expires)
		defer cancel()
	}
	leave, ok := t.g.streams.enter(eventStream(cancel))
	if !ok {
		t.g.refuse(w, r, http.StatusServiceUnavailable, tooManyStreams)
		return
	}
	defer leave()

	operation, errs, err := t.g.question(ctx, w, r, exec)
	if err != nil {
		t.g.refuseBody(w, r, err)
		return
	}
	if len(errs) == 0 && t.g.refuseMutationByGET(w, r, operation) {
		return
	}
	ctx = graphql.WithOperationContext(ctx, operation)
	header := w.Header()
	header.Set("Content-Type", "text/event-stream; charset=utf-8")
	header.Set("X-Accel-Buffering", "no") // nginx collects events otherwise
	w.WriteHeader(http.StatusOK)
	out := &eventWriter{w: w, controller: http.NewResponseController(w), cancel: cancel}
	// A comment first: the client knows that it is connected, and every proxy on the way lets the headers go.
	out.write(":\n\n")
	stop := out.keepAlive(ctx)
	defer stop()

	if len(errs) > 0 {
		out.next(exec.DispatchError(ctx, errs[:min(len(errs), maxErrors)]))
	} else {
		responses, ctx := exec.DispatchOperation(ctx, operation)
		for response := responses(ctx); response != nil; response = responses(ctx) {
			out.next(response)
		}
	}
	if ctx.Err() == nil {
		out.write("event: complete\ndata:\n\n")
	}
}

// eventWriter writes whole events, each within the time a reader has to take it.
type eventWriter struct {
	mu         sync.Mutex
	w          http.ResponseWriter
	controller *http.ResponseController
	cancel     context.CancelFunc
}

func (e *eventWriter) next(response *graphql.Response) {
	body, err := encode(response)
	if err != nil {
		// Only an extension of our own could fail to encode.
		panic(err)
	}
	e.write("event: next\ndata: " + string(body) + "\n\n")
}

// write ends the stream when nobody reads.
func (e *eventWriter) write(text string) {
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
func (e *eventWriter) keepAlive(ctx context.Context) (stop func()) {
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

// eventStream is an event stream as those see it who end it.
type eventStream context.CancelFunc

func (s eventStream) goAway() { s() }
