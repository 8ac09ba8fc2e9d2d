package gateway

import (
	"context"
	"errors"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// This file is all that the error presenter knows of gqlgen's insides: what gqlgen does to errors, and no document of
// gqlgen promises. gqlgenerrors_test.go holds each piece against the gqlgen in go.mod and the code it has generated.

// reportOf is gqlgen's own error in a chain: the one that gives an error its path and its locations. Where it wraps an
// error of a resolver, its message is the text of the whole chain, which is not for clients. It is empty, and never
// nil, where there is none.
func reportOf(err error) *gqlerror.Error {
	var report *gqlerror.Error
	if errors.As(err, &report) {
		return report
	}
	return &gqlerror.Error{}
}

// codeOf is the code of an error; "" where it has none. gqlgen gives one to every error that it finds before it
// executes anything, and to no other.
func codeOf(e *gqlerror.Error) string {
	code, _ := e.Extensions["code"].(string)
	return code
}

// isAboutValue tells whether an error of GraphQL's validation is about a value and not about the document. An error
// about a variable has a path that begins with "variable"; one about a literal has the name of the rule it breaks.
func isAboutValue(e *gqlerror.Error) bool {
	if codeOf(e) != errcode.ValidationFailed {
		return false
	}
	aboutVariable := len(e.Path) > 0 && e.Path[0] == ast.PathName("variable")
	return aboutVariable || e.Rule == valuesRule || e.Rule == ownValuesRule
}

// readsArguments tells whether an error arose while gqlgen read the arguments of a field, before any resolver ran. The
// document gives the field arguments then, and its context has none yet.
func readsArguments(ctx context.Context) bool {
	field := graphql.GetFieldContext(ctx)
	return field != nil && field.Args == nil && field.Field.Field != nil && len(field.Field.Arguments) > 0
}

// innermost is the error at the end of a chain. For an argument, it is the scalar's own: gqlgen wraps it in the path.
func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
