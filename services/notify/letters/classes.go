package letters

import (
	"fmt"
	"strings"

	"interlock/services/rail"
)

// maxClass is how many bytes the name of a class has at most: what fits beside a price.
const maxClass = 60

// classNames are what a language calls the classes.
type classNames map[rail.SeatClass]string

// parseClasses reads lines such as SECOND = Second class. Empty lines and those that begin with # say nothing. An error
// has the file and the line.
func parseClasses(file, text string) (classNames, error) {
	names := classNames{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, name, ok := strings.Cut(line, "=")
		class, name := rail.SeatClass(strings.TrimSpace(key)), strings.TrimSpace(name)
		switch {
		case !ok, !class.Valid():
			return nil, fmt.Errorf("%s:%d: a line is a class and its name, such as SECOND = Second class", file, number)
		case name == "" || len(name) > maxClass:
			return nil, fmt.Errorf("%s:%d: the name of a class has 1 to %d bytes", file, number, maxClass)
		case names[class] != "":
			return nil, fmt.Errorf("%s:%d: %s has a name already", file, number, class)
		}
		names[class] = name
	}
	return names, nil
}

// Class is what the letter's language calls a class: in English where the language has no name for it, and before
// Compose the class as it is.
func (l *Letter) Class(c rail.SeatClass) string {
	for _, names := range l.classes {
		if name, ok := names[c]; ok {
			return name
		}
	}
	return string(c)
}
