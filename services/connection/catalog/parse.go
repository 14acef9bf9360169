package catalog

import (
	"bytes"
	"errors"
	"io"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds an entry's file, in bytes.
const maxFile = 64 << 10

// Parse reads and judges one entry. file names it in problems, and nowhere else. The error is [LintErrors]: everything that is wrong, each
// with its field.
func Parse(file string, text []byte) (Entry, error) {
	if len(text) > maxFile {
		return Entry{}, LintErrors{{File: file, Description: "is larger than 64 KiB"}}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			return Entry{}, LintErrors{{File: file, Description: "is empty"}}
		}
		return Entry{}, LintErrors{{File: file, Description: "is no YAML: " + err.Error()}}
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return Entry{}, LintErrors{{File: file, Description: "must hold one document: one entry"}}
	}
	shape := checkShape(file, document.Content[0])
	if len(shape.problems) > 0 {
		return Entry{}, shape.problems.Sorted()
	}
	var entry Entry
	if err := document.Decode(&entry); err != nil {
		return Entry{}, LintErrors{{File: file, Description: err.Error()}}
	}
	var found LintErrors
	for _, p := range entry.lint() {
		p.File, p.Line = file, shape.line(p.Field)
		found = append(found, p)
	}
	return entry, found.Sorted().Err()
}

// YAML writes the entry in the form in which it is read, without what is not set.
func (e Entry) YAML() ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(e); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}
