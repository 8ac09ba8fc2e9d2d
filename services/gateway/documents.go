package gateway

import (
	"context"
	"fmt"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
)

const (
	codeTooDeep = "DEPTH_LIMIT_EXCEEDED"
	codeTooDear = "COMPLEXITY_LIMIT_EXCEEDED"
	// codeTooLarge is about the response: the lengths of its lists are known only while it is made.
	codeTooLarge = "ANSWER_TOO_LARGE"
)

// documents caches parsed documents that passed all checks. Two bounds hold: how many there are, and how long each is.
type documents struct{ *lru.LRU[*ast.QueryDocument] }

func newDocuments() documents { return documents{lru.New[*ast.QueryDocument](cachedDocuments)} }

// Add implements graphql.Cache.
func (d documents) Add(ctx context.Context, query string, document *ast.QueryDocument) {
	if len(query) <= cachedDocumentBytes {
		d.LRU.Add(ctx, query, document)
	}
}

// documentLimits refuses documents that are too deep or too large before they are validated. It is a gqlgen extension.
// Some of GraphQL's rules take time by the square of a document's size, and gqlgen's count of its complexity by two to
// the power of its fragments. Documents in the cache have passed. The others are parsed once more than needed, which is
// cheap beside their validation.
type documentLimits struct {
	cache  documents
	tokens int
	depth  int
}

var _ interface {
	graphql.HandlerExtension
	graphql.OperationParameterMutator
} = (*documentLimits)(nil)

// ExtensionName implements graphql.HandlerExtension.
func (l *documentLimits) ExtensionName() string { return "InterlockDocumentLimits" }

// Validate implements graphql.HandlerExtension.
func (l *documentLimits) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters implements graphql.OperationParameterMutator; it changes nothing.
func (l *documentLimits) MutateOperationParameters(ctx context.Context, request *graphql.RawParams) *gqlerror.Error {
	if _, known := l.cache.Get(ctx, request.Query); known {
		return nil
	}
	document, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: request.Query}, l.tokens)
	if err != nil {
		// gqlgen parses it next, and says what is wrong.
		return nil
	}
	m := measuring{document: document, known: map[string]measure{}, open: map[string]bool{}}
	var whole measure
	for _, operation := range document.Operations {
		whole = whole.with(m.set(operation.SelectionSet))
	}
	for _, fragment := range document.Fragments {
		m.fragment(fragment.Name)
	}
	switch {
	case m.selections > maxSelections:
		return refusal(codeTooDear, nil, "the document has %d selections, more than %d", m.selections, maxSelections)
	case m.repeated != nil:
		return refusal(codeTooDear, m.repeated, "one answer is selected more than %d times in one place", maxRepeats)
	case whole.expanded > maxExpanded:
		return refusal(codeTooDear, nil, "the document has more than %d selections once its fragments are put in place",
			maxExpanded)
	case whole.schemas > maxSchemas:
		return refusal(codeTooDear, nil, "a document asks for __schema once")
	case whole.depth > l.depth:
		return refusal(codeTooDeep, nil, "the document is %d levels deep, which exceeds the limit of %d", whole.depth,
			l.depth)
	}
	return nil
}

func refusal(code string, at *ast.Position, format string, args ...any) *gqlerror.Error {
	e := &gqlerror.Error{Message: fmt.Sprintf(format, args...), Extensions: map[string]any{"code": code}}
	if at != nil {
		e.Locations = []gqlerror.Location{{Line: at.Line, Column: at.Column}}
	}
	return e
}

// measure is how deep a selection goes, how many selections it has with every fragment in place, and how many of them
// ask for the whole schema.
type measure struct{ depth, expanded, schemas int }

// with is the measure of both selections side by side.
func (a measure) with(b measure) measure {
	// Far above a limit the exact number does not matter, and sums must not overflow.
	return measure{
		max(a.depth, b.depth), min(a.expanded+b.expanded, 10*maxExpanded), min(a.schemas+b.schemas, 10*maxSchemas),
	}
}

// below is the measure of the selection inside one more field.
func (a measure) below() measure { return measure{a.depth + 1, a.expanded, a.schemas} }

// measuring walks each part of a document once. It keeps the measures of fragments.
type measuring struct {
	document *ast.QueryDocument
	known    map[string]measure
	// open are the fragments that the walk is inside of. A circle of fragments ends there, and validation refuses it
	// later.
	open map[string]bool

	selections int
	repeated   *ast.Position
}

func (m *measuring) set(selections ast.SelectionSet) measure {
	var whole measure
	repeats := map[string]int{}
	for _, selection := range selections {
		m.selections++
		if m.selections > maxSelections {
			return whole
		}
		whole = whole.with(measure{expanded: 1})
		switch one := selection.(type) {
		case *ast.Field:
			if repeats[one.Alias]++; repeats[one.Alias] > maxRepeats {
				m.repeated = one.Position
			}
			inner := m.set(one.SelectionSet)
			if one.Name == "__schema" || one.Name == "__type" {
				// Introspection is deep by nature. A rule of GraphQL and its cost bound it.
				inner.depth = 0
			}
			if one.Name == "__schema" {
				inner.schemas++
			}
			whole = whole.with(inner.below())
		case *ast.InlineFragment:
			whole = whole.with(m.set(one.SelectionSet))
		case *ast.FragmentSpread:
			whole = whole.with(m.fragment(one.Name))
		}
	}
	return whole
}

func (m *measuring) fragment(name string) measure {
	if known, ok := m.known[name]; ok {
		return known
	}
	definition := m.document.Fragments.ForName(name)
	if definition == nil || m.open[name] {
		return measure{}
	}
	m.open[name] = true
	whole := m.set(definition.SelectionSet)
	delete(m.open, name)
	m.known[name] = whole
	return whole
}
