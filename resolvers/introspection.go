package resolvers

import (
	"maps"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// specified is a schema with GraphQL's own types and directives as the specification has them (September 2025, 3.13 and
// 4.2). Those of gqlparser differ: they have @defer, which no server of ours executes, and a place for directives that
// clients built for the specification do not know, so that graphql-core 3.2 can make no schema of it. The schema that
// is given is not changed.
func specified(schema *ast.Schema) *ast.Schema {
	s := *schema
	s.Directives, s.Types = maps.Clone(schema.Directives), maps.Clone(schema.Types)
	delete(s.Directives, "defer")
	deprecated := *s.Directives["deprecated"]
	deprecated.Arguments = neverNull(deprecated.Arguments) // reason: String! = "No longer supported"
	deprecated.Locations = slices.DeleteFunc(slices.Clone(deprecated.Locations),
		func(at ast.DirectiveLocation) bool { return at == ast.LocationDirectiveDefinition })
	s.Directives["deprecated"] = &deprecated
	for name, definition := range schema.Types {
		if !strings.HasPrefix(name, "__") {
			continue
		}
		own := *definition
		own.EnumValues = slices.DeleteFunc(slices.Clone(own.EnumValues), func(value *ast.EnumValueDefinition) bool {
			return name == "__DirectiveLocation" && value.Name == string(ast.LocationDirectiveDefinition)
		})
		own.Fields = slices.Clone(own.Fields)
		for i, field := range own.Fields {
			own.Fields[i] = withArguments(field, neverNull(field.Arguments)) // includeDeprecated: Boolean! = false
		}
		s.Types[name] = &own
	}
	return &s
}

func withArguments(field *ast.FieldDefinition, arguments ast.ArgumentDefinitionList) *ast.FieldDefinition {
	changed := *field
	changed.Arguments = arguments
	return &changed
}

// neverNull is a list of arguments in which those with a default may not be null.
func neverNull(list ast.ArgumentDefinitionList) ast.ArgumentDefinitionList {
	list = slices.Clone(list)
	for i, argument := range list {
		if argument.DefaultValue != nil {
			own, kind := *argument, *argument.Type
			kind.NonNull, own.Type = true, &kind
			list[i] = &own
		}
	}
	return list
}
