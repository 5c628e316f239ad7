CREATE DATABASE shop;
\connect shop

CREATE TABLE orders (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer text NOT NULL,
    item     text NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    price    numeric(10, 2) NOT NULL CHECK (price >= 0),
    ordered  timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX orders_customer ON orders (customer);

INSERT INTO orders (customer, item, quantity, price) VALUES
    ('Ada', 'punched cards', 1000, 0.05),
    ('Grace', 'moth, dried', 1, 19.47),
    ('Edsger', 'semaphore', 2, 7.50);
