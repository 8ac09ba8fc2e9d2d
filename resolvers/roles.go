package resolvers

import (
	"context"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"

	"interlock/services/rail"
)

// requires is the directive @requires. Without a viewer a field is UNAUTHENTICATED, without any of the roles FORBIDDEN.
func requires(ctx context.Context, _ any, next graphql.Resolver, roles []rail.Role) (any, error) {
	viewer := rail.ViewerFrom(ctx)
	if viewer == nil {
		return nil, rail.Refuse(rail.Unauthenticated, "a token is needed")
	}
	if !slices.ContainsFunc(roles, viewer.Is) {
		names := make([]string, len(roles))
		for i, role := range roles {
			names[i] = string(role)
		}
		return nil, rail.Refuse(rail.Forbidden, "the role %s is needed", strings.Join(names, " or "))
	}
	return next(ctx)
}
