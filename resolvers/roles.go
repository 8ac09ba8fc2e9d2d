package resolvers

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"interlock/services/rail"
)

// requires is the directive @requires. Without a viewer a field is UNAUTHENTICATED, without the role FORBIDDEN.
func requires(ctx context.Context, _ any, next graphql.Resolver, role rail.Role) (any, error) {
	viewer := rail.ViewerFrom(ctx)
	if viewer == nil {
		return nil, rail.Refuse(rail.Unauthenticated, "a token is needed")
	}
	if !viewer.Is(role) {
		return nil, rail.Refuse(rail.Forbidden, "the role %s is needed", role)
	}
	return next(ctx)
}
