package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

const (
	// defaultSettingsFile is read from the folder that a command runs in.
	defaultSettingsFile = "interlock.yaml"
	// maxSettingsBytes is far more than all settings there are.
	maxSettingsBytes = 1 << 20
	// variablePrefix begins the environment variable of every setting.
	variablePrefix = "INTERLOCK_"
)

// settingsFile is a YAML file with a setting on each line. It resolves, for kong, settings that are neither on the
// command line nor in a variable.
type settingsFile struct {
	name   string
	values []settingInFile
}

// settingInFile is a value as it was written, a text or a list of texts, and its line. The flag parses the text: YAML
// would take "010" for eight.
type settingInFile struct {
	name  string
	value any
	line  int
}

// readSettings reads a file of settings. kong calls it for --config. An error names the line of the mistake.
func readSettings(r io.Reader) (kong.Resolver, error) {
	f := &settingsFile{name: "the settings"}
	if named, ok := r.(interface{ Name() string }); ok {
		f.name = named.Name()
	}
	b, err := io.ReadAll(io.LimitReader(r, maxSettingsBytes+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxSettingsBytes {
		return nil, f.wrong(0, "the file is longer than %d bytes", maxSettingsBytes)
	}
	tree, err := parser.ParseBytes(b, 0)
	if err != nil {
		var broken yaml.Error
		if errors.As(err, &broken) && broken.GetToken() != nil {
			// The error's own text would show the lines around the mistake, and perhaps a secret.
			return nil, f.wrong(broken.GetToken().Position.Line, "%s", broken.GetMessage())
		}
		return nil, f.wrong(0, "this is not YAML")
	}
	if len(tree.Docs) > 1 {
		return nil, f.wrong(0, "the file has more than one document")
	}
	for _, document := range tree.Docs {
		if err := f.read(document.Body); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// besideUs are the settings of the file in the current folder; none where there is no such file. A file that cannot be
// read is an error: kong itself would go on without its settings.
func besideUs() ([]kong.Resolver, error) {
	file, err := os.Open(defaultSettingsFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	settings, err := readSettings(file)
	if err != nil {
		return nil, err
	}
	return []kong.Resolver{settings}, nil
}

// wrong is an error about a line of the file; 0 is the whole file.
func (f *settingsFile) wrong(line int, format string, args ...any) error {
	at := f.name
	if line > 0 {
		at = fmt.Sprintf("%s:%d", f.name, line)
	}
	return fmt.Errorf("%s: %s", at, fmt.Sprintf(format, args...))
}

func (f *settingsFile) read(body ast.Node) error {
	switch body := body.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode: // It is empty, or has only comments.
	case *ast.MappingNode:
		for _, entry := range body.Values {
			if err := f.readEntry(entry); err != nil {
				return err
			}
		}
	case *ast.MappingValueNode:
		return f.readEntry(body)
	default:
		return f.wrong(body.GetToken().Position.Line, "a line is a setting, a colon and its value")
	}
	return nil
}

func (f *settingsFile) readEntry(entry *ast.MappingValueNode) error {
	line := entry.Key.GetToken().Position.Line
	name, ok := textOf(entry.Key)
	if !ok {
		return f.wrong(line, "this is not the name of a setting")
	}
	if _, empty := entry.Value.(*ast.NullNode); empty {
		// A name without a value is a setting that is not given. Its name must be right all the same.
		f.values = append(f.values, settingInFile{name, nil, line})
		return nil
	}
	value, ok := valueOf(entry.Value)
	if !ok {
		return f.wrong(line, "%s is a text, a number or a list of them, and nothing else", name)
	}
	f.values = append(f.values, settingInFile{name, value, line})
	return nil
}

// valueOf is a text, or a list of texts as kong wants it.
func valueOf(node ast.Node) (any, bool) {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		return textOf(node)
	}
	all := make([]any, 0, len(list.Values))
	for _, element := range list.Values {
		text, ok := textOf(element)
		if !ok {
			return nil, false
		}
		all = append(all, text)
	}
	return all, true
}

// textOf is the text of a node, without quotes; false where it is no single value.
func textOf(node ast.Node) (string, bool) {
	switch node := node.(type) {
	case *ast.StringNode:
		return node.Value, true
	case *ast.LiteralNode:
		return strings.TrimSuffix(node.Value.Value, "\n"), true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return node.GetToken().Value, true
	}
	return "", false
}

// Validate implements kong.Resolver. It refuses an unknown setting: it is a typing mistake, and to go on without it
// could mean to sell on the wrong database.
func (f *settingsFile) Validate(app *kong.Application) error {
	known := map[string]bool{}
	for _, flag := range settingFlags(app.Node) {
		known[flag.Name] = true
	}
	for _, v := range f.values {
		if !known[v.name] {
			return f.wrong(v.line, "there is no setting %q", v.name)
		}
	}
	return nil
}

// Resolve implements kong.Resolver. kong calls it for what is not on the command line. A variable goes before the file.
func (f *settingsFile) Resolve(_ *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	if parent.App == nil || !isSetting(flag) {
		return nil, nil
	}
	for _, variable := range flag.Envs {
		if _, given := os.LookupEnv(variable); given {
			return nil, nil
		}
	}
	for _, v := range f.values {
		if v.name != flag.Name || v.value == nil {
			continue
		}
		// The text is parsed into a value that is thrown away, so that an error can name its line.
		tried := reflect.New(flag.Target.Type()).Elem()
		if err := flag.Parse(kong.Scan().PushTyped(v.value, kong.FlagValueToken), tried); err != nil {
			return nil, f.wrong(v.line, "%v", err)
		}
		return v.value, nil
	}
	return nil, nil
}

// settingFlags are the flags that are settings: those that all commands share. The flags of one command say what it
// does this once, and must not come from a file or a variable: INTERLOCK_JUMP_VERSIONS in a profile would raise every
// version with every rebuild.
func settingFlags(root *kong.Node) []*kong.Flag {
	var settings []*kong.Flag
	for _, flag := range root.Flags {
		if isSetting(flag) {
			settings = append(settings, flag)
		}
	}
	return settings
}

// isSetting tells whether a flag that all commands share is a setting.
func isSetting(flag *kong.Flag) bool {
	switch flag.Name {
	case "help", "version", "config":
		return false
	}
	return true
}

// describeSettings gives every setting its help and its variable. --config has a variable, too: it says where settings
// are.
func describeSettings() kong.Option {
	return kong.PostBuild(func(k *kong.Kong) error {
		for _, flag := range k.Model.Flags {
			if isSetting(flag) {
				flag.Help = settingHelp[flag.Name]
			}
			if isSetting(flag) || flag.Name == "config" {
				name := variablePrefix + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
				flag.Envs, flag.Tag.Envs = []string{name}, []string{name}
			}
		}
		return nil
	})
}
