package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// operations bounds the time of queries and mutations, and counts all operations. It is a gqlgen extension.
type operations struct {
	timeout time.Duration
	metrics *metrics
}

var _ interface {
	graphql.HandlerExtension
	graphql.OperationInterceptor
} = (*operations)(nil)

// ExtensionName implements graphql.HandlerExtension.
func (o *operations) ExtensionName() string { return "InterlockOperations" }

// Validate implements graphql.HandlerExtension.
func (o *operations) Validate(graphql.ExecutableSchema) error { return nil }

// InterceptOperation implements graphql.OperationInterceptor.
func (o *operations) InterceptOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	operation := graphql.GetOperationContext(ctx).Operation
	if operation.Operation == ast.Subscription {
		return o.stream(ctx, operation, next)
	}
	field, start := o.metrics.rootField(operation), time.Now()
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	responses := next(ctx)
	return func(ctx context.Context) *graphql.Response {
		defer cancel()
		response := responses(ctx)
		if response == nil {
			// The transports of streams ask until there is no further response.
			return nil
		}
		o.metrics.observeOperation(string(operation.Operation), field, time.Since(start))
		return response
	}
}

// stream counts a subscription until its end: its last response, or the end of its context where the transport stops
// asking.
func (o *operations) stream(
	ctx context.Context, operation *ast.OperationDefinition, next graphql.OperationHandler,
) graphql.ResponseHandler {
	gauge := o.metrics.subscriptions.WithLabelValues(o.metrics.rootField(operation))
	gauge.Inc()
	end := sync.OnceFunc(gauge.Dec)
	stop := context.AfterFunc(ctx, end)
	responses := next(ctx)
	return func(ctx context.Context) *graphql.Response {
		response := responses(ctx)
		if response == nil {
			stop()
			end()
		}
		return response
	}
}
