package gateway

import (
	"context"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"interlock/services/rail"
)

// maxBatch bounds the operations of a batch. Apollo Client's BatchHttpLink sends no more by default.
const maxBatch = 10

// batch is what the operations of one batch have in common: they are charged as one. They are executed one after the
// other, so nothing here is changed by two at a time.
type batch struct {
	// cost is what the operations cost so far, and values how many their responses have.
	cost   int
	values int64
}

type batchKey struct{}

// batchOf is the batch that an operation belongs to; nil where it was sent alone.
func batchOf(ctx context.Context) *batch {
	b, _ := ctx.Value(batchKey{}).(*batch)
	return b
}

// batch answers a list of operations with the list of their responses, in the same order. They have the time, the cost
// and the values of one operation together, and count as one in flight. What is wrong with one of them is told in its
// place, and the others are executed. The response is application/json: the other media type has no lists.
func (t httpTransport) batch(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor, body []byte) {
	if acceptedBy(r).json == "" {
		t.g.refuse(w, r, http.StatusNotAcceptable,
			rail.Refuse(rail.BadUserInput, "a batch is answered as %s, which Accept does not take", mediaJSON))
		return
	}
	ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), batchKey{}, &batch{}), t.g.options.OperationTimeout)
	defer cancel()
	var operations []jsontext.Value
	var err error
	if late := t.g.limiter.do(ctx, func() { operations, err = operationsIn(body) }); late != nil {
		err = late
	}
	if err != nil {
		t.g.refuseUnread(w, r, err)
		return
	}
	answer, sent := []byte{'['}, func() {}
	defer func() { sent() }()
	for i, operation := range operations {
		if i > 0 {
			answer = append(answer, ',')
		}
		one, err := encodeResponse(t.answerOf(ctx, r, exec, operation))
		if err != nil {
			// Only an extension of our own could fail to encode.
			panic(err)
		}
		answer = append(answer, one...)
		// What is made waits for the rest, and then for its reader. Ten short responses are a long one.
		sent()
		sent = t.g.places.made(len(answer))
	}
	t.g.writeBody(w, r, http.StatusOK, writeTimeout, mediaJSON, append(answer, ']'))
}

// operationsIn are the operations of a batch, as they are written. Each is read strictly later, so that a mistake in
// one of them is told in its place.
func operationsIn(body []byte) ([]jsontext.Value, error) {
	var operations []jsontext.Value
	err := json.Unmarshal(body, &operations, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	switch {
	case err != nil:
		return nil, unreadable("the body is not a JSON list of operations: %s", jsonTrouble(err))
	case len(operations) == 0:
		return nil, unreadable("the batch has no operation")
	case len(operations) > maxBatch:
		return nil, unreadable("a batch has at most %d operations, not %d", maxBatch, len(operations))
	}
	return operations, nil
}

// answerOf executes one operation of a batch.
func (t httpTransport) answerOf(
	ctx context.Context, r *http.Request, exec graphql.GraphExecutor, text []byte,
) (response *graphql.Response) {
	refuse := func(err error) *graphql.Response {
		return &graphql.Response{Errors: gqlerror.List{t.g.presentRefusal(ctx, err)}}
	}
	defer func() {
		if cause := recover(); cause != nil {
			response = refuse(t.g.presenter.recovered(ctx, cause))
		}
	}()
	if ctx.Err() != nil {
		return refuse(batchOver)
	}
	ctx = graphql.StartOperationTrace(ctx)
	operation, errs, err := t.g.createOperation(ctx, exec, r.Header, func() (*graphql.RawParams, error) {
		return readParameters(text, "the operation")
	})
	if err != nil {
		return refuse(err)
	}
	ctx = graphql.WithOperationContext(ctx, operation)
	if len(errs) > 0 {
		return exec.DispatchError(ctx, errs[:min(len(errs), maxErrors)])
	}
	if operation.Operation.Operation == ast.Subscription {
		return refuse(notInBatch)
	}
	if _, err := t.g.charge(ctx, addressOf(r, t.g.options.TrustedProxies), operation); err != nil {
		return refuse(err)
	}
	if response = executeOnce(ctx, exec); response == nil {
		return refuse(tookTooLong)
	}
	return response
}
