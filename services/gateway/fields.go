package gateway

import (
	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// fewFields is up to how many fields are compared with each other to see that no two have one key.
const fewFields = 32

// eachField calls visit for each field of a selection, with what is selected below it. Fragments are in place, equal
// fields come once, and fields that @skip or @include leave out do not come. It calls graphql.CollectFields only where
// it must: that allocates for every field.
func eachField(
	operation *graphql.OperationContext, selections ast.SelectionSet, visit func(*ast.Field, ast.SelectionSet),
) {
	if areFields(selections) {
		for _, selection := range selections {
			field := selection.(*ast.Field)
			visit(field, field.SelectionSet)
		}
		return
	}
	for _, field := range graphql.CollectFields(operation, selections, nil) {
		visit(field.Field, field.Selections)
	}
}

// areFields tells whether a selection has only fields, each with a key of its own and without directives.
func areFields(selections ast.SelectionSet) bool {
	if len(selections) > fewFields {
		return false
	}
	for i, selection := range selections {
		field, ok := selection.(*ast.Field)
		if !ok || len(field.Directives) > 0 {
			return false
		}
		for _, before := range selections[:i] {
			if before.(*ast.Field).Alias == field.Alias {
				return false
			}
		}
	}
	return true
}
