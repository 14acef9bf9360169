module github.com/freshet-io/freshet/services

go 1.26.0
