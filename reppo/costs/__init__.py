"""What training costs on this machine: `reppo bench`.

Points (`points`) of a spec, each measured in a process of its own (`measure`), become a table (`table`) that says how
the costs grow. How near an update is to what the machine can do is told by its matrix products (`products`).
"""
