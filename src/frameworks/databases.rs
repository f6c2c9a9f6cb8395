//! Database drivers and object mappers of which only the place of their code is known.

use super::watch::{Shape, part, read};
use super::{Framework, Watch};

const WATCHES: &[Watch] = &[
    Watch::of(
        "psycopg/cursor.py",
        &["execute", "executemany"],
        "sql",
        &[read(&[part("query", &[], Shape::Sql)])],
    ),
    Watch::of(
        "psycopg/cursor_async.py",
        &["execute", "executemany"],
        "sql",
        &[read(&[part("query", &[], Shape::Sql)])],
    ),
    Watch::of(
        "asyncpg/connection.py",
        &["execute", "fetch", "fetchrow", "fetchval"],
        "sql",
        &[read(&[part("query", &[], Shape::Sql)])],
    ),
    Watch::of(
        "aiosqlite/core.py",
        &["execute", "executemany"],
        "sql",
        &[read(&[part("sql", &[], Shape::Sql)])],
    ),
];

pub(super) const DATABASES: Framework = Framework {
    packages: &["psycopg", "psycopg2", "pymongo"],
    database_paths: &[
        "MySQLdb/",
        "_sqlite3",
        "aiomysql/",
        "aiopg/",
        "aiosqlite/",
        "asyncmy/",
        "asyncpg/",
        "clickhouse_",
        "cx_Oracle",
        "databases/",
        "ibm_db",
        "mariadb/",
        "mongoengine/",
        "motor/",
        "mssql/",
        "mysql/connector/",
        "oracledb/",
        "peewee.py/",
        "peewee/",
        "pg8000/",
        "playhouse/",
        "pony/orm/",
        "psycopg/",
        "psycopg2/",
        "psycopg_",
        "pymssql",
        "pymongo/",
        "pymysql/",
        "pyodbc",
        "snowflake/connector/",
        "sqlite3/",
        "tortoise/",
    ],
    watches: WATCHES,
    ..Framework::NOTHING
};
