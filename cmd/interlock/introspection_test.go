package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// The parts of an introspection, as the specification names them.
type (
	introspectedRef struct {
		Kind   string
		Name   *string
		OfType *introspectedRef
	}
	introspectedValue struct {
		Name         string
		Description  *string
		Type         introspectedRef
		DefaultValue *string
	}
	introspectedField struct {
		Name        string
		Description *string
		Args        []introspectedValue
		Type        introspectedRef
	}
	introspectedType struct {
		Kind, Name                string
		Description               *string
		SpecifiedByURL            *string
		IsOneOf                   *bool
		Fields                    []introspectedField
		InputFields               []introspectedValue
		EnumValues                []introspectedField
		Interfaces, PossibleTypes []introspectedRef
	}
	introspectedDirective struct {
		Name, Description string
		IsRepeatable      bool
		Locations         []string
		Args              []introspectedValue
	}
)

// String is the type as the schema's language writes it.
func (r introspectedRef) String() string {
	switch r.Kind {
	case "NON_NULL":
		return r.OfType.String() + "!"
	case "LIST":
		return "[" + r.OfType.String() + "]"
	}
	return *r.Name
}

func (v introspectedValue) String() string {
	text := v.Name + ": " + v.Type.String()
	if v.DefaultValue != nil {
		text += " = " + *v.DefaultValue
	}
	return text
}

func list[T any](all []T, text func(T) string) string {
	texts := make([]string, len(all))
	for i, one := range all {
		texts[i] = text(one)
	}
	return strings.Join(texts, ", ")
}

func (d introspectedDirective) String() string {
	return d.Name + "(" + list(d.Args, introspectedValue.String) + ") on " + strings.Join(d.Locations, " | ")
}

// described is a description, "" for null.
func described(description *string) string {
	if description == nil {
		return ""
	}
	return *description
}

// lines are a type and its parts, one a line, with what is said of each.
func (t *introspectedType) lines() []string {
	all := []string{t.Kind + " " + t.Name + " # " + described(t.Description)}
	for _, field := range t.Fields {
		all = append(all, field.Name+"("+list(field.Args, introspectedValue.String)+"): "+field.Type.String()+" # "+
			described(field.Description))
		for _, argument := range field.Args {
			all = append(all, argument.Name+" # "+described(argument.Description))
		}
	}
	for _, field := range t.InputFields {
		all = append(all, field.String()+" # "+described(field.Description))
	}
	for _, value := range t.EnumValues {
		all = append(all, value.Name+" # "+described(value.Description))
	}
	return all
}

// written are the same lines of a type in the schema's text.
func written(definition *ast.Definition) []string {
	all := []string{string(definition.Kind) + " " + definition.Name + " # " + definition.Description}
	value := func(name string, kind *ast.Type, otherwise *ast.Value) string {
		if otherwise == nil {
			return name + ": " + kind.String()
		}
		return name + ": " + kind.String() + " = " + otherwise.String()
	}
	for _, field := range definition.Fields {
		switch {
		case strings.HasPrefix(field.Name, "__"):
		case definition.Kind == ast.InputObject:
			all = append(all, value(field.Name, field.Type, field.DefaultValue)+" # "+field.Description)
		default:
			all = append(all, field.Name+"("+list(field.Arguments, func(a *ast.ArgumentDefinition) string {
				return value(a.Name, a.Type, a.DefaultValue)
			})+"): "+field.Type.String()+" # "+field.Description)
			for _, argument := range field.Arguments {
				all = append(all, argument.Name+" # "+argument.Description)
			}
		}
	}
	for _, one := range definition.EnumValues {
		all = append(all, one.Name+" # "+one.Description)
	}
	return all
}

// specifiedDirectives are the directives of GraphQL (September 2025, 3.13) and our own.
var specifiedDirectives = []string{
	`deprecated(reason: String! = "No longer supported") on ` +
		`FIELD_DEFINITION | ARGUMENT_DEFINITION | INPUT_FIELD_DEFINITION | ENUM_VALUE`,
	`include(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT`,
	`oneOf() on INPUT_OBJECT`,
	`requires(role: [Role!]!) on FIELD_DEFINITION`,
	`skip(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT`,
	`specifiedBy(url: String!) on SCALAR`,
}

// directiveLocations are the values of __DirectiveLocation (September 2025, 4.2). A client that was built for the
// specification can make no schema of an introspection with another.
var directiveLocations = strings.Fields(`QUERY MUTATION SUBSCRIPTION FIELD FRAGMENT_DEFINITION FRAGMENT_SPREAD
	INLINE_FRAGMENT VARIABLE_DEFINITION SCHEMA SCALAR OBJECT FIELD_DEFINITION ARGUMENT_DEFINITION INTERFACE UNION ENUM
	ENUM_VALUE INPUT_OBJECT INPUT_FIELD_DEFINITION`)

// deprecatedToo are the fields of introspection that have includeDeprecated: Boolean! = false.
var deprecatedToo = []string{
	"__Type.fields", "__Type.enumValues", "__Type.inputFields", "__Field.args", "__Directive.args",
}

// Introspection tells the schema as it is written and executed, in the terms of the specification.
func TestServer_IntrospectsWhatIsTrue(t *testing.T) {
	r := start(t, embeddedSettings(t))
	text, err := os.ReadFile("../../schema.graphql")
	require.NoError(t, err)
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: string(text)})
	a := r.ask(t, "", introspection, nil)
	require.Empty(t, a.Errors)
	var told struct {
		Schema struct {
			Description string
			Types       []introspectedType
			Directives  []introspectedDirective
		} `json:"__schema"`
	}
	require.NoError(t, json.Unmarshal(a.Data, &told))
	require.Equal(t, schema.Description, told.Schema.Description)

	var directives []string
	for _, one := range told.Schema.Directives {
		directives = append(directives, one.String())
		require.False(t, one.IsRepeatable)
		require.Subset(t, directiveLocations, one.Locations)
	}
	require.ElementsMatch(t, specifiedDirectives, directives)

	types := map[string]*introspectedType{}
	for i := range told.Schema.Types {
		one := &told.Schema.Types[i]
		types[one.Name] = one
		isObject, isInterface := one.Kind == "OBJECT", one.Kind == "INTERFACE"
		require.Equal(t, isObject || isInterface, one.Fields != nil, "fields of %s", one.Name)
		require.Equal(t, isObject || isInterface, one.Interfaces != nil, "interfaces of %s", one.Name)
		require.Equal(t, isInterface || one.Kind == "UNION", one.PossibleTypes != nil, "possibleTypes of %s", one.Name)
		require.Equal(t, one.Kind == "ENUM", one.EnumValues != nil, "enumValues of %s", one.Name)
		require.Equal(t, one.Kind == "INPUT_OBJECT", one.InputFields != nil, "inputFields of %s", one.Name)
		require.Equal(t, one.Kind == "INPUT_OBJECT", one.IsOneOf != nil, "isOneOf of %s", one.Name)
	}
	require.Len(t, types, len(schema.Types))
	for name, definition := range schema.Types {
		if strings.HasPrefix(name, "__") {
			continue
		}
		one := types[name]
		require.NotNil(t, one, name)
		require.Equal(t, written(definition), one.lines())
		require.Equal(t, definition.Directives.ForName("oneOf") != nil, one.IsOneOf != nil && *one.IsOneOf, name)
		if definition.Kind == ast.Scalar && !definition.BuiltIn {
			require.NotNil(t, one.SpecifiedByURL, "%s: @specifiedBy says to everybody what it is", name)
			require.Regexp(t, `^https://[a-z.]+/.`, *one.SpecifiedByURL)
			url := definition.Directives.ForName("specifiedBy").Arguments.ForName("url").Value.Raw
			require.Equal(t, url, *one.SpecifiedByURL)
		} else {
			require.Nil(t, one.SpecifiedByURL, name)
		}
		require.ElementsMatch(t, definition.Interfaces, namesOf(one.Interfaces), name)
	}
	require.Equal(t, directiveLocations, strings.Split(list(types["__DirectiveLocation"].EnumValues,
		func(value introspectedField) string { return value.Name }), ", "))
	require.ElementsMatch(t, deprecatedToo, withIncludeDeprecated(types))
}

func namesOf(types []introspectedRef) []string {
	names := []string{}
	for _, one := range types {
		names = append(names, *one.Name)
	}
	return names
}

// withIncludeDeprecated are the fields of introspection that have the argument just as the specification has it.
func withIncludeDeprecated(types map[string]*introspectedType) (fields []string) {
	for name, one := range types {
		for _, field := range one.Fields {
			if list(field.Args, introspectedValue.String) == "includeDeprecated: Boolean! = false" {
				fields = append(fields, name+"."+field.Name)
			}
		}
	}
	return fields
}

// What introspection does not list is refused.
func TestServer_HasNoDefer(t *testing.T) {
	r := start(t, embeddedSettings(t))
	for _, query := range []string{
		`{...@defer{viewer{subject}}}`, `{...f@defer(if:false)} fragment f on Query{viewer{subject}}`,
	} {
		a := r.ask(t, r.passenger, query, nil)
		require.Equal(t, []string{"GRAPHQL_VALIDATION_FAILED"}, a.codes(), query)
		require.Empty(t, a.Data)
	}
}
