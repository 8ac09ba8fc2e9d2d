package gateway

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// MutateOperationContext implements graphql.OperationContextMutator. It takes the nulls out of an operation that stand
// where a default is, and refuses those that stand where a type has no null.
func (i *inputs) MutateOperationContext(_ context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	n := &nulls{
		document: operation.Doc, null: map[string]bool{}, fragments: map[string]*ast.FragmentDefinition{},
	}
	for name, value := range operation.Variables {
		if value == nil {
			n.null[name] = true
		}
	}
	if len(n.null) == 0 && !strings.Contains(operation.RawQuery, "null") {
		return nil
	}
	for _, variable := range operation.Operation.VariableDefinitions {
		n.useDefaults(operation.Variables, variable)
	}
	whole := *operation.Operation
	whole.SelectionSet = n.selections(whole.SelectionSet)
	if n.refused != nil {
		return n.refused
	}
	// The document may be in the cache, where other requests read it. It stays as it is.
	document := *operation.Doc
	document.Fragments = slices.Clone(document.Fragments)
	for i, fragment := range document.Fragments {
		if changed := n.fragments[fragment.Name]; changed != nil {
			document.Fragments[i] = changed
		}
	}
	operation.Operation, operation.Doc = &whole, &document
	return nil
}

// nulls decides what a null means. Many clients send null for what they do not give. So a null for an argument or a
// field of an input that has a default is taken for the default: it is left out, and everything that reads the
// operation later finds the default. GraphQL leaves that meaning to the server (September 2025, 2.9.5). For a type
// without null, a null is an error: GraphQL lets a nullable variable stand where a default is, and a null that is given
// overrides that.
//
// What is walked is not changed. Each method returns what it was given, or a copy.
type nulls struct {
	document *ast.QueryDocument
	// null are the variables whose value is null.
	null map[string]bool
	// fragments are those that were walked, as they are now. It has nil for one that is being walked.
	fragments map[string]*ast.FragmentDefinition
	// refused is the first null where a type has none.
	refused *gqlerror.Error
}

func (n *nulls) selections(set ast.SelectionSet) ast.SelectionSet {
	return replace(set, func(selection ast.Selection) (ast.Selection, bool) {
		switch one := selection.(type) {
		case *ast.Field:
			return n.field(one), true
		case *ast.InlineFragment:
			n.directives(one.Directives)
			if inner := n.selections(one.SelectionSet); !same(inner, one.SelectionSet) {
				changed := *one
				changed.SelectionSet = inner
				return &changed, true
			}
		case *ast.FragmentSpread:
			n.directives(one.Directives)
			n.fragment(one.Name)
		}
		return selection, true
	})
}

func (n *nulls) field(field *ast.Field) *ast.Field {
	n.directives(field.Directives)
	arguments, inner := n.arguments(field.Arguments), n.selections(field.SelectionSet)
	if same(arguments, field.Arguments) && same(inner, field.SelectionSet) {
		return field
	}
	changed := *field
	changed.Arguments, changed.SelectionSet = arguments, inner
	return &changed
}

func (n *nulls) fragment(name string) {
	fragment := n.document.Fragments.ForName(name)
	if _, walked := n.fragments[name]; walked || fragment == nil {
		return
	}
	n.fragments[name] = nil
	changed := *fragment
	changed.SelectionSet = n.selections(changed.SelectionSet)
	n.fragments[name] = &changed
}

// directives refuses nulls in directives. Those of a document, @skip and @include, have no defaults.
func (n *nulls) directives(list ast.DirectiveList) {
	for _, directive := range list {
		n.arguments(directive.Arguments)
	}
}

func (n *nulls) arguments(list ast.ArgumentList) ast.ArgumentList {
	return replace(list, func(argument *ast.Argument) (*ast.Argument, bool) {
		value, keep := n.value(argument.Value)
		if value == argument.Value {
			return argument, keep
		}
		changed := *argument
		changed.Value = value
		return &changed, keep
	})
}

// value returns a value without the members that are null and have a default. keep is false where the value itself is
// to be left out.
func (n *nulls) value(value *ast.Value) (_ *ast.Value, keep bool) {
	if value.ExpectedType != nil && (value.Kind == ast.NullValue || value.Kind == ast.Variable && n.null[value.Raw]) {
		if value.ExpectedType.NonNull && n.refused == nil {
			n.refused = place{ast.PathName("variable"), ast.PathName(value.Raw)}.refuse(
				"must not be null where %s is wanted", value.ExpectedType)
		}
		return value, !value.ExpectedTypeHasDefault
	}
	children := replace(value.Children, func(child *ast.ChildValue) (*ast.ChildValue, bool) {
		inner, keep := n.value(child.Value)
		if inner == child.Value {
			return child, keep
		}
		changed := *child
		changed.Value = inner
		return &changed, keep
	})
	if same(children, value.Children) {
		return value, true
	}
	changed := *value
	changed.Children = children
	return &changed, true
}

// useDefaults takes the nulls out of a variable whose value is the default that the operation has for it. Those in a
// value that was sent, the coercion has taken out.
func (n *nulls) useDefaults(values map[string]any, variable *ast.VariableDefinition) {
	if variable.DefaultValue == nil {
		return
	}
	changed, _ := n.value(variable.DefaultValue)
	if changed == variable.DefaultValue {
		return
	}
	asWritten, err := variable.DefaultValue.Value(nil)
	if err != nil || !reflect.DeepEqual(asWritten, values[variable.Variable]) {
		return
	}
	if value, err := changed.Value(nil); err == nil {
		values[variable.Variable] = value
	}
}

// replace is a list with each element replaced, and without those of which keep is false. Where nothing changes, it is
// the list itself.
func replace[L ~[]E, E comparable](list L, by func(E) (_ E, keep bool)) L {
	changed, out := false, list
	for i, element := range list {
		other, keep := by(element)
		if !changed && (other != element || !keep) {
			changed, out = true, append(make(L, 0, len(list)), list[:i]...)
		}
		if changed && keep {
			out = append(out, other)
		}
	}
	return out
}

// same tells whether two lists are one and the same.
func same[L ~[]E, E any](a, b L) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
