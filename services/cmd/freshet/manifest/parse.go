package manifest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxBytes bounds one manifest: far above what people write, far below what hurts.
const maxBytes = 16 << 20

// ParseOptions say how a manifest is read.
type ParseOptions struct {
	// Source names the manifest in errors, usually its path. Default "manifest".
	Source string
	// Project is that of names which are given as a mere `id`, and of references without a slash. Default "default".
	Project string
	// Dir is where relative paths of `valueFrom: {file: …}` begin. Default: the working directory.
	Dir string
	// LookupEnv reads `valueFrom: {env: …}`. Default: no variable is set.
	LookupEnv func(string) (string, bool)
	// ReadFile reads `valueFrom: {file: …}`. Default os.ReadFile.
	ReadFile func(string) ([]byte, error)
}

func (o ParseOptions) withDefaults() ParseOptions {
	if o.Source == "" {
		o.Source = "manifest"
	}
	if o.Project == "" {
		o.Project = "default"
	}
	if o.LookupEnv == nil {
		o.LookupEnv = func(string) (string, bool) { return "", false }
	}
	if o.ReadFile == nil {
		o.ReadFile = os.ReadFile
	}
	return o
}

// Parse reads the documents of a manifest, in their order. Each is
//
//	kind: Connection                              # or Bus, Destination, Rule
//	name: projects/default/connections/crm        # or id: crm; a rule's id goes with bus: orders, by default the bus `default`
//	…                                             # the resource's fields in lowerCamelCase
//
// A destination's connection and a target's destination may be given as a mere id too. A secret, or any parameter's value, may be
// `{valueFrom: {env: NAME}}` or `{valueFrom: {file: path}}` instead of text, and so may a certificate chain; a parameter whose value comes
// from there is a secret unless it says `secret: false`. One newline at the end of a file is not part of the value. A secret that is
// declared as "" is removed, if the resource can do without; one that is not declared keeps its stored value.
//
// Unknown fields, fields that only the server sets, fields given twice and values of another type are errors. Parse reports everything it
// finds, each error with line and document; none contains a secret.
func Parse(r io.Reader, opts ParseOptions) ([]Object, error) {
	opts = opts.withDefaults()
	decoder := yaml.NewDecoder(io.LimitReader(r, maxBytes+1))
	var objects []Object
	var errs []error
	var nodes int
	for number := 1; ; number++ {
		var document yaml.Node
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			errs = append(errs, fmt.Errorf("%s (document %d): %w", opts.Source, number, err))
			break // what follows is not where it seems to be
		}
		if len(document.Content) == 0 || isNull(document.Content[0]) {
			continue
		}
		d := &documentReader{opts: opts, number: number, nodes: &nodes}
		object, ok := d.object(document.Content[0])
		errs = append(errs, d.errs...)
		if ok && len(d.errs) == 0 {
			objects = append(objects, object)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return objects, nil
}

// documentReader reads one document and gathers what is wrong with it.
type documentReader struct {
	opts     ParseOptions
	number   int
	project  string // of the object
	nodes    *int   // read so far, over all documents
	errs     []error
	warnings []string
	emptied  []string // paths of secrets that are declared empty
}

func (d *documentReader) where(node *yaml.Node) string {
	return fmt.Sprintf("%s:%d (document %d)", d.opts.Source, node.Line, d.number)
}

func (d *documentReader) fail(node *yaml.Node, path, format string, args ...any) {
	if path != "" {
		path += ": "
	}
	d.errs = append(d.errs, fmt.Errorf("%s: %s%s", d.where(node), path, fmt.Sprintf(format, args...)))
}

// object reads a document. ok is false if it could not tell what object it is.
func (d *documentReader) object(node *yaml.Node) (Object, bool) {
	node = follow(node)
	if node.Kind != yaml.MappingNode {
		d.fail(node, "", "a document is a mapping with kind, name and the resource's fields")
		return Object{}, false
	}
	header, fields := d.header(node)
	kindNode := header["kind"]
	if kindNode == nil {
		d.fail(node, "kind", "missing; one of %s", kindNames())
		return Object{}, false
	}
	k, ok := kindByName(kindNode.Value)
	if !ok {
		d.fail(kindNode, "kind", "%q is none of %s", kindNode.Value, kindNames())
		return Object{}, false
	}
	name, ok := d.name(node, k, header)
	if !ok {
		return Object{}, false
	}
	object := Object{Kind: k.name, Name: name, Message: k.empty(), Source: d.where(node), kind: k}
	d.project = object.project()
	d.message(fields, object.Message.ProtoReflect(), "")
	object.Warnings, object.emptied = d.warnings, d.emptied
	return object, true
}

// header separates what says which object it is from its fields.
func (d *documentReader) header(node *yaml.Node) (header map[string]*yaml.Node, fields *yaml.Node) {
	header = map[string]*yaml.Node{}
	rest := *node
	rest.Content = nil
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], follow(node.Content[i+1])
		switch key.Value {
		case "kind", "name", "id", "bus":
			if header[key.Value] != nil {
				d.fail(key, key.Value, "given twice")
			} else if value.Kind != yaml.ScalarNode || isNull(value) {
				d.fail(value, key.Value, "wants text")
			}
			header[key.Value] = value
		default:
			rest.Content = append(rest.Content, key, node.Content[i+1])
		}
	}
	return header, &rest
}

// name returns the object's full name.
func (d *documentReader) name(node *yaml.Node, k kind, header map[string]*yaml.Node) (string, bool) {
	name, id, bus := header["name"], header["id"], header["bus"]
	if bus != nil && (id == nil || !k.ofBus()) {
		d.fail(bus, "bus", "only goes with the id of what a bus has: an Archive, a Rule, a Schedule or a Webhook")
		return "", false
	}
	switch {
	case name != nil && id != nil:
		d.fail(id, "id", "name is given already")
		return "", false
	case name == nil && id == nil:
		d.fail(node, "name", "missing: %s, or only the last part as id", k.pattern)
		return "", false
	case name != nil:
		if !k.matches(name.Value) {
			d.fail(name, "name", "%q is not of the form %s", name.Value, k.pattern)
			return "", false
		}
		return name.Value, true
	}
	if id.Value == "" || strings.Contains(id.Value, "/") {
		d.fail(id, "id", "%q is not the last part of %s", id.Value, k.pattern)
		return "", false
	}
	in := "projects/" + d.opts.Project
	if k.ofBus() {
		in = "projects/" + d.opts.Project + "/buses/default"
		if bus != nil {
			in = d.reference(bus.Value, d.opts.Project, "buses")
		}
	}
	full := in + "/" + collection(k) + "/" + id.Value
	if !k.matches(full) {
		d.fail(id, "id", "with project %q it is not of the form %s", d.opts.Project, k.pattern)
		return "", false
	}
	return full, true
}

// reference completes a mere id to a resource name.
func (d *documentReader) reference(text, project, collection string) string {
	if text == "" || strings.Contains(text, "/") {
		return text
	}
	return "projects/" + project + "/" + collection + "/" + text
}

// collection is the last literal part of the kind's names: `connections`.
func collection(k kind) string {
	parts := strings.Split(k.pattern, "/")
	return parts[len(parts)-2]
}

// path completes a relative path of `valueFrom: {file: …}`.
func (o ParseOptions) path(file string) string {
	if filepath.IsAbs(file) || o.Dir == "" {
		return file
	}
	return filepath.Join(o.Dir, file)
}
