package gateway

import (
	"context"
	"errors"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"interlock/services/rail"
)

// running is an operation that has not ended.
type running struct {
	cancel         context.CancelFunc
	isSubscription bool
}

// subscribe begins an operation. It returns false where the message ends the connection.
func (s *webSocket) subscribe(ctx context.Context, message *envelope) (goOn bool) {
	id := message.ID
	if id == "" || len(id) > maxOperationIDBytes {
		s.hangUp(closeBadRequest, "an operation's id has 1 to "+strconv.Itoa(maxOperationIDBytes)+" bytes")
		return false
	}
	ctx, cancel := context.WithCancel(graphql.StartOperationTrace(ctx))
	one := &running{cancel: cancel}
	duplicate, refusal := s.begin(id, one)
	if duplicate {
		cancel()
		s.hangUp(closeDuplicate, "Subscriber for "+id[:min(len(id), 64)]+" already exists")
		return false
	}
	if refusal != nil {
		cancel()
		s.write(errorMessage(id, gqlerror.List{s.g.presenter.present(ctx, refusal)}))
		return true
	}
	operation, errs, malformed := s.prepare(ctx, message)
	if malformed != nil {
		s.refuse(ctx, closeBadRequest, malformed)
		s.end(id, one, nil)
		return false
	}
	if len(errs) > 0 {
		s.end(id, one, errorMessage(id, errs))
		return true
	}
	if operation.Operation.Operation == ast.Subscription && !s.isSubscription(one) {
		s.end(id, one, nil)
		return true
	}
	s.tasks.Go(func() { s.execute(graphql.WithOperationContext(ctx, operation), id, one, operation) })
	return true
}

// begin counts an operation in, unless another has its id, or the socket takes no more.
func (s *webSocket) begin(id string, one *running) (duplicate bool, refusal error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, duplicate := s.running[id]; duplicate {
		return true, nil
	}
	if s.closing || s.farewell != nil {
		return false, goingAway
	}
	if s.open >= s.g.options.MaxOperationsPerSocket {
		return false, tooManyOperations
	}
	s.running[id] = one
	s.open++
	s.answering++
	return false, nil
}

// prepare reads and checks an operation, behind the same limiter as all others. errs end the operation. malformed ends
// the connection: the payload is not of the protocol's form.
func (s *webSocket) prepare(ctx context.Context, message *envelope) (
	operation *graphql.OperationContext, errs gqlerror.List, malformed error,
) {
	if message.unread != nil {
		return nil, gqlerror.List{s.g.presentRefusal(ctx, message.unread)}, nil
	}
	if s.g.limiter.overloaded() {
		return nil, gqlerror.List{s.g.presenter.present(ctx, tooManyRequests)}, nil
	}
	operation, errs, err := s.g.createOperation(ctx, s.exec, s.header, func() (*graphql.RawParams, error) {
		var read *parameters
		if read, malformed = subscribePayload(message.Payload); malformed != nil {
			return nil, malformed
		}
		return read.request()
	})
	switch {
	case malformed != nil:
		return nil, nil, malformed
	case err != nil:
		return nil, gqlerror.List{s.g.presentRefusal(ctx, err)}, nil
	case len(errs) > 0:
		return nil, s.exec.DispatchError(graphql.WithOperationContext(ctx, operation),
			errs[:min(len(errs), maxErrors)]).Errors, nil
	}
	return operation, nil, nil
}

// subscribePayload reads the payload of a "subscribe", in the form that the protocol gives it. A client that sends a
// hash in place of the query is told that it must send the query.
func subscribePayload(payload []byte) (*parameters, error) {
	read, err := parseParameters(payload, "the payload")
	if err == nil && read.Query == "" && read.Extensions["persistedQuery"] == nil {
		err = errNoQuery
	}
	return read, err
}

// execute runs an operation to its end.
func (s *webSocket) execute(ctx context.Context, id string, one *running, operation *graphql.OperationContext) {
	last := &envelope{ID: id, Type: "complete"}
	defer func() { s.end(id, one, last) }()
	defer func() {
		if cause := recover(); cause != nil {
			last = errorMessage(id, gqlerror.List{s.g.presenter.present(ctx, s.g.presenter.recovered(ctx, cause))})
		}
	}()
	if !one.isSubscription {
		if !s.g.inFlight.start() {
			last = errorMessage(id, gqlerror.List{s.g.presenter.present(ctx, tooManyRequests)})
			return
		}
		defer s.g.inFlight.end()
	}
	if _, err := s.g.charge(ctx, s.address, operation); err != nil {
		last = errorMessage(id, gqlerror.List{s.g.presenter.present(ctx, err)})
		return
	}
	answered := false
	responses, inner := s.exec.DispatchOperation(ctx, operation)
	for response := responses(inner); response != nil; response = responses(inner) {
		answered = true
		if one.isSubscription && isToBeAskedAgain(response) {
			last = errorMessage(id, response.Errors)
			return
		}
		body, err := encodeResponse(response)
		if err != nil {
			// Only an extension of our own could fail to encode.
			panic(err)
		}
		if !s.wants(id, one) {
			return
		}
		s.write(&envelope{ID: id, Type: "next", Payload: body})
	}
	if !answered && !one.isSubscription {
		// Its time was over before anything was executed.
		last = errorMessage(id, gqlerror.List{s.g.presenter.present(ctx, tookTooLong)})
	}
}

// isSubscription notes that an operation is a subscription, for which a socket that ends does not wait. It returns
// false where the socket is going away, and the operation must not begin.
func (s *webSocket) isSubscription(one *running) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	one.isSubscription = true
	s.answering--
	return s.farewell == nil
}

// wants tells whether the client still waits for messages of an operation.
func (s *webSocket) wants(id string, one *running) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closing && s.running[id] == one && !(one.isSubscription && s.farewell != nil)
}

// completed ends an operation at the client's request. An id without an operation is no mistake: the operation may have
// ended meanwhile.
func (s *webSocket) completed(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one, ok := s.running[id]; ok {
		delete(s.running, id)
		one.cancel()
	}
}

// end sends the last message of an operation, if the client still waits for it, and counts the operation out. A
// subscription that ends with its socket has no last message, so that the client comes back.
func (s *webSocket) end(id string, one *running, last *envelope) {
	if last != nil && s.wants(id, one) {
		s.write(last)
	}
	one.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[id] == one {
		delete(s.running, id)
	}
	s.open--
	if !one.isSubscription {
		s.answering--
	}
	s.goIfAnswered()
}

// presentRefusal is what a client is told of an operation that was not executed.
func (g *Gateway) presentRefusal(ctx context.Context, err error) *gqlerror.Error {
	var refused *statusError
	if errors.As(err, &refused) {
		err = refused.err
	}
	return g.presenter.present(ctx, err)
}

// isToBeAskedAgain tells whether a response has no data, and an error that passes: the client should ask again.
func isToBeAskedAgain(response *graphql.Response) bool {
	if response.Data != nil {
		return false
	}
	for _, err := range response.Errors {
		switch rail.Code(codeOf(err)) {
		case rail.Unavailable, rail.Overloaded, rail.RateLimited, rail.OrderPending, rail.Internal:
			return true
		}
	}
	return false
}
