package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

const treeText = `
type Query { tree: Tree! trees(of: Int!): [Tree!]! fails: String }
type Mutation { plant: Tree! }
type Subscription { grows: Tree! }
type Tree { name: String! children(of: Int!): [Tree!]! words: [String!]! fails: String }
`

// workers is how many elements of a list are resolved at a time, as gqlgen.yml has it.
const workers = 2

// tree is a schema of lists in lists, resolved with what gqlgen's generated code is made of.
type tree struct {
	schema *ast.Schema
	// lists counts the lists that were resolved, planted the mutations.
	lists, planted atomic.Int64
	// resolving, if set, is called when a list is resolved.
	resolving func(ctx context.Context)
	// events feeds the subscription.
	events chan int
}

var _ graphql.ExecutableSchema = (*tree)(nil)

func newTree() *tree {
	return &tree{
		schema: gqlparser.MustLoadSchema(&ast.Source{Name: "schema.graphql", Input: treeText}), events: make(chan int),
	}
}

func (s *tree) Schema() *ast.Schema { return s.schema }

func (s *tree) Complexity(_ context.Context, typeName, field string, below int, _ map[string]any) (int, bool) {
	if typeName == "Query" && field == "trees" {
		return 1 + 10*below, true
	}
	return 0, false
}

func (s *tree) Exec(ctx context.Context) graphql.ResponseHandler {
	operation := graphql.GetOperationContext(ctx)
	if operation.Operation.Operation == ast.Subscription {
		return func(ctx context.Context) *graphql.Response {
			select {
			case <-s.events:
				return s.response(ctx, operation, "Subscription")
			case <-ctx.Done():
				return nil
			}
		}
	}
	ran := false
	return func(ctx context.Context) *graphql.Response {
		if ran {
			return nil
		}
		ran = true
		return s.response(ctx, operation,
			map[ast.Operation]string{ast.Query: "Query", ast.Mutation: "Mutation"}[operation.Operation.Operation])
	}
}

func (s *tree) response(ctx context.Context, operation *graphql.OperationContext, root string) *graphql.Response {
	var out bytes.Buffer
	s.object(ctx, operation, root, operation.Operation.SelectionSet).MarshalGQL(&out)
	return &graphql.Response{Data: out.Bytes()}
}

func (s *tree) object(
	ctx context.Context, operation *graphql.OperationContext, typeName string, selections ast.SelectionSet,
) graphql.Marshaler {
	fields := graphql.CollectFields(operation, selections, []string{typeName})
	set := graphql.NewFieldSet(fields)
	for i, field := range fields {
		set.Concurrently(i,
			func(ctx context.Context) graphql.Marshaler { return s.field(ctx, operation, typeName, field) })
	}
	set.Dispatch(ctx)
	return set
}

func (s *tree) field(
	ctx context.Context, operation *graphql.OperationContext, typeName string, field graphql.CollectedField,
) graphql.Marshaler {
	begin := func(_ context.Context, field graphql.CollectedField) (*graphql.FieldContext, error) {
		return &graphql.FieldContext{
			Object: typeName, Field: field, IsResolver: field.Name != "name",
			Args: field.ArgumentMap(operation.Variables),
		}, nil
	}
	switch field.Name {
	case "tree", "plant", "grows":
		return graphql.ResolveField(ctx, operation, field, begin, func(context.Context) (any, error) {
			if field.Name == "plant" {
				s.planted.Add(1)
			}
			return 1, nil
		}, nil, func(ctx context.Context, selections ast.SelectionSet, _ int) graphql.Marshaler {
			return s.object(ctx, operation, "Tree", selections)
		}, true, true)
	case "trees", "children":
		return graphql.ResolveField(ctx, operation, field, begin, func(ctx context.Context) (any, error) {
			s.lists.Add(1)
			if s.resolving != nil {
				s.resolving(ctx)
			}
			n, err := graphql.UnmarshalInt(graphql.GetFieldContext(ctx).Args["of"])
			return make([]int, n), err
		}, nil, func(ctx context.Context, selections ast.SelectionSet, list []int) graphql.Marshaler {
			return graphql.MarshalSliceConcurrently(ctx, len(list), workers, false,
				func(ctx context.Context, _ int) graphql.Marshaler {
					return s.object(ctx, operation, "Tree", selections)
				})
		}, true, true)
	case "words":
		return graphql.ResolveField(ctx, operation, field, begin, func(context.Context) (any, error) {
			return []string{"oak", "elm"}, nil
		}, nil, func(_ context.Context, _ ast.SelectionSet, words []string) graphql.Marshaler {
			out := make(graphql.Array, len(words))
			for i, word := range words {
				out[i] = graphql.MarshalString(word)
			}
			return out
		}, true, true)
	}
	return graphql.ResolveField(ctx, operation, field, begin, func(context.Context) (any, error) {
		if field.Name == "fails" {
			return nil, errors.New("no")
		}
		return "oak", nil
	}, nil, func(_ context.Context, _ ast.SelectionSet, name string) graphql.Marshaler {
		return graphql.MarshalString(name)
	}, true, false)
}
