package manifest

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
)

// Object is one declared resource.
type Object struct {
	// Kind is the document's kind: Connection, Bus, Destination or Rule.
	Kind string
	// Name is the full resource name, `projects/default/connections/crm`.
	Name string
	// Message is the resource in its gen type, *connectionv1.Connection for instance, without its name. It holds secrets.
	Message proto.Message
	// Source says where it was declared: `crm.yaml:1 (document 1)`.
	Source string
	// Warnings are remarks on how it was declared, such as secrets in plain text.
	Warnings []string

	kind kind
	// emptied are the paths of secrets that are declared empty, in lowerCamelCase.
	emptied []string
}

// String names the object without its content.
func (o Object) String() string { return o.Kind + " " + o.Name }

// ObjectError is what went wrong with one object. It wraps the status that the server answered.
type ObjectError struct {
	Object Object
	Err    error
}

// Error implements error.
func (e *ObjectError) Error() string { return e.Where() + ": " + e.Err.Error() }

// Where names the object and where it was declared.
func (e *ObjectError) Where() string { return fmt.Sprintf("%s: %s", e.Object.Source, e.Object) }

// Unwrap returns the cause.
func (e *ObjectError) Unwrap() error { return e.Err }

// parentAndID splits a resource name into the parent that it is created under and its last part.
func (o Object) parentAndID() (parent, id string) {
	parts := strings.Split(o.Name, "/")
	return strings.Join(parts[:len(parts)-2], "/"), parts[len(parts)-1]
}

// project is the name's project, `default`.
func (o Object) project() string { return strings.SplitN(o.Name, "/", 3)[1] }
