package gateway

import (
	"context"
	"regexp"

	"github.com/99designs/gqlgen/graphql"
	reflection "github.com/99designs/gqlgen/graphql/introspection"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// introspection lets clients read the schema. It is a gqlgen extension. A field of __Type that a kind of type does not
// have is null, as the specification has it (GraphQL, September 2025, 4.2.2). gqlgen answers an empty list or
// false: that an enum has no fields, and that a scalar is not @oneOf.
type introspection struct{}

var _ interface {
	graphql.HandlerExtension
	graphql.OperationContextMutator
} = introspection{}

// ExtensionName implements graphql.HandlerExtension.
func (introspection) ExtensionName() string { return "InterlockIntrospection" }

// Validate implements graphql.HandlerExtension.
func (introspection) Validate(graphql.ExecutableSchema) error { return nil }

// introspects matches a document that may ask for the schema.
var introspects = regexp.MustCompile(`__(schema|type)\b`)

// MutateOperationContext implements graphql.OperationContextMutator. Other operations do not pay for introspection.
func (introspection) MutateOperationContext(_ context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	operation.DisableIntrospection = false
	if !introspects.MatchString(operation.RawQuery) {
		return nil
	}
	others := operation.ResolverMiddleware
	operation.ResolverMiddleware = func(ctx context.Context, next graphql.Resolver) (any, error) {
		if field := graphql.GetFieldContext(ctx); field.Object == "__Type" && field.Parent != nil {
			of, ok := field.Parent.Result.(*reflection.Type)
			if kinds := kindsWith[field.Field.Name]; ok && kinds != nil && !kinds[of.Kind()] {
				return nil, nil
			}
		}
		return others(ctx, next)
	}
	return nil
}

// kindsWith has the fields of __Type that only some kinds of types have.
var kindsWith = map[string]map[string]bool{
	"fields":        {"OBJECT": true, "INTERFACE": true},
	"interfaces":    {"OBJECT": true, "INTERFACE": true},
	"possibleTypes": {"INTERFACE": true, "UNION": true},
	"enumValues":    {"ENUM": true},
	"inputFields":   {"INPUT_OBJECT": true},
	"isOneOf":       {"INPUT_OBJECT": true},
}
